"""What a method's own test module may tell the contract; docs/contributing/contract.md explains each."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any


__all__ = ["KNOBS", "knob", "module_of", "unknown_knobs"]

# Names of constants in tests/methods/test_METHOD.py, and what they are where a method has none.
KNOBS: dict[str, Any] = {
    "CONTRACT_DEFAULT": {},
    "CONTRACT_IMAGE": None,
    "CONTRACT_VARIANTS": [],
    "CONTRACT_FIELDS": {},
    "CONTRACT_FIELDS_WITH": {},
    "CONTRACT_ELSEWHERE": {},
}


def module_of(method: str) -> ModuleType:
    """The method's own test module."""
    return importlib.import_module(f"tests.methods.test_{method}")


def knob(method: str, name: str) -> Any:
    """What the module says, or the default."""
    return getattr(module_of(method), name, KNOBS[name])


def unknown_knobs(module: ModuleType) -> list[str]:
    """Constants of a test module that look like knobs and are none: a misspelled one would go unheard."""
    return sorted(name for name in vars(module) if name.startswith("CONTRACT") and name not in KNOBS)

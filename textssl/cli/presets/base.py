"""What presets share: the one that fits the machine, precision, settings of single methods."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from ...models.precision import computes_in_bfloat16


__all__ = ["Presets", "cpu_precision", "fitting_preset", "with_tuned_settings"]

Presets = dict[str, dict[str, Any]]


def fitting_preset() -> tuple[str, str]:
    """``paper`` if an accelerator is available, else ``cpu``; and the reason, as text."""
    accelerator = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    if accelerator is not None and accelerator.type != "cpu":
        return "paper", f"an accelerator was found ({accelerator.type})"
    return "cpu", "no accelerator was found"


def cpu_precision() -> dict[str, Any]:
    """Settings of a run on the processor: bfloat16 where it computes in it."""
    return {"use_cpu": True, "bf16": computes_in_bfloat16(torch.device("cpu"))}


def with_tuned_settings(tuned: Mapping[str, Mapping[str, Any]], method: str, presets: Presets) -> Presets:
    """Presets, ``cpu`` with what the method needs beside them.

    Args:
        tuned: settings of single methods.
        method: a key of ``METHODS``.
        presets: settings by name.
    """
    return {
        name: {**settings, **(tuned.get(method, {}) if name == "cpu" else {})} for name, settings in presets.items()
    }

"""Which methods a test is of: what ``pytest --method NAME`` runs."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest


ROOT = Path(__file__).parents[1]


@cache
def all_methods() -> tuple[str, ...]:
    """Names of all methods, the longest first; without an import of any."""
    found = [path for path in (ROOT / "textssl" / "methods").iterdir() if path.stem != "__init__"]
    names = {path.stem for path in found if path.suffix == ".py" or (path / "__init__.py").exists()}
    return tuple(sorted(names, key=lambda name: (-len(name), name)))


def methods_of(item: pytest.Item) -> set[str]:
    """The methods whose own module the test stands in, and those that are its parameter or its page."""
    found = {name for name in [_of_module(item.path)] if name}
    parameters = getattr(item, "callspec", None)
    if parameters is not None:
        found |= {name for name in all_methods() if name in [parameters.params.get(k) for k in ("method", "name")]}
        found |= {value.stem for value in parameters.params.values() if _is_page(value)}
    return found


def _of_module(path: Path) -> str | None:
    """``vat`` of ``tests/methods/test_vat_search.py``, ``dividemix`` of a file in ``tests/methods/dividemix``."""
    folder = ROOT / "tests" / "methods"
    if not path.is_relative_to(folder):
        return None
    first = path.relative_to(folder).parts[0].removeprefix("test_").removesuffix(".py")
    return next((name for name in all_methods() if first == name or first.startswith(f"{name}_")), None)


def _is_page(value: object) -> bool:
    return isinstance(value, Path) and value.parent == ROOT / "docs" / "methods" and value.stem in all_methods()

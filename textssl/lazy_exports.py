"""Names of a package that are imported on first use."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any


__all__ = ["lazy_exports"]


def lazy_exports(
    package: str, exports: Mapping[str, Sequence[str]]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """The ``__getattr__`` and ``__dir__`` (PEP 562) of a package whose modules are imported when a name is asked for.

    Args:
        package: the package's ``__name__``.
        exports: module, relative to the package, to the names that are exported from it.

    Example:
        >>> get, names = lazy_exports("textssl", {"errors": ("UserError",)})
        >>> names(), get("UserError").__module__
        (['UserError', '__version__'], 'textssl.errors')
    """
    module_of = {name: module for module, names in exports.items() for name in names}

    def get_export(name: str) -> Any:
        if name not in module_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module = import_module(f".{module_of[name]}", package)
        # A package with the name of what it exports is called itself: whatever imports it puts it in this place.
        value = module if name == module_of[name] else getattr(module, name)
        # The next access finds it without this function.
        setattr(sys.modules[package], name, value)
        return value

    def list_exports() -> list[str]:
        return [*module_of, "__version__"]

    return get_export, list_exports

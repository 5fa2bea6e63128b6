"""Names of methods as people write them."""

from __future__ import annotations

from difflib import get_close_matches
from functools import cache
from pkgutil import iter_modules

from .. import methods
from ..errors import UserError


__all__ = ["method_named", "method_names"]


@cache
def method_names() -> tuple[str, ...]:
    """All methods, sorted: the modules of ``textssl.methods``, none of which is imported."""
    return tuple(sorted(module.name for module in iter_modules(methods.__path__)))


def method_named(name: str | None) -> str:
    """The method that is meant: case, dashes, underscores and spaces do not matter.

    Args:
        name: such as ``mean_teacher``, ``Mean-Teacher`` or ``MeanTeacher``.

    Raises:
        UserError: no such method; the message names the nearest.
    """
    known = {_plain(method): method for method in method_names()}
    if name is not None and _plain(name) in known:
        return known[_plain(name)]
    near = [] if name is None else get_close_matches(_plain(name), known, n=1)
    meant = f"did you mean {known[near[0]]}? " if near else ""
    raise UserError(f"method: got {name!r}; {meant}allowed: {', '.join(method_names())}")


def _plain(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())

"""Names of methods as people write them, without importing any method."""

from __future__ import annotations

import ast
import difflib
import re
from functools import cache
from pathlib import Path
from pkgutil import iter_modules

from .. import methods
from ..errors import UserError


__all__ = ["first_lines", "method_named", "method_names"]


@cache
def method_names() -> tuple[str, ...]:
    """All methods, sorted: the modules of ``textssl.methods``."""
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
    near = [] if name is None else difflib.get_close_matches(_plain(name), known, n=1)
    meant = f"did you mean {known[near[0]]}? " if near else ""
    raise UserError(f"method: got {name!r}; {meant}allowed: {', '.join(method_names())}")


def first_lines() -> dict[str, str]:
    """What each method does, in the words that its module begins with."""
    lines = {}
    for name in method_names():
        path = _folder() / f"{name}.py"
        path = path if path.is_file() else _folder() / name / "__init__.py"
        told = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        # Without the citation at the end.
        lines[name] = re.sub(r"\s*\([^()]*\)\.$", ".", told.partition("\n")[0])
    return lines


def _plain(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())


def _folder() -> Path:
    return Path(methods.__file__).parent

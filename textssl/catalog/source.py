"""What a class says of itself, read from its source: importing all methods would take ten seconds.

Only values that are written as literals, or as a call with literals, are read, through base classes of the package.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from ..citation import Citation
from ..step_cost import StepCost


__all__ = ["SourceClass", "SourceModule"]

ROOT = Path(__file__).parents[1]


def _default(default: Any = None, **others: Any) -> Any:
    """What ``dataclasses.field`` says of its default."""
    return default


CALLS: dict[str, Callable[..., Any]] = {"Citation": Citation, "StepCost": StepCost, "field": _default}


@dataclass(frozen=True)
class SourceClass:
    """A class as it is written.

    Attributes:
        module: where.
        node: its syntax tree.
    """

    module: SourceModule
    node: ast.ClassDef

    @property
    def name(self) -> str:
        """Its name."""
        return self.node.name

    def value(self, attribute: str) -> Any:
        """The value that an attribute has in the class or the first of its bases that sets it; ``None`` if none."""
        for owner in self.lineage():
            for statement in owner.node.body:
                if isinstance(statement, ast.AnnAssign) and ast.unparse(statement.target) == attribute:
                    return None if statement.value is None else owner.module.evaluated(statement.value)
        return None

    def lineage(self) -> list[SourceClass]:
        """The class and its bases, each after all classes that inherit from it."""
        found = [self, *[inner for base in self.bases() for inner in base.lineage()]]
        return [cls for place, cls in enumerate(found) if cls.node not in [other.node for other in found[place + 1 :]]]

    def assigned(self, attribute: str) -> str | None:
        """The expression that the class itself assigns to an attribute without an annotation; ``None`` if none."""
        for statement in self.node.body:
            if isinstance(statement, ast.Assign) and [ast.unparse(t) for t in statement.targets] == [attribute]:
                return ast.unparse(statement.value)
        return None

    def bases(self) -> list[SourceClass]:
        """Base classes that the package defines."""
        found = [self.module.find(ast.unparse(base)) for base in self.node.bases]
        return [base for base in found if base is not None]


@dataclass(frozen=True)
class SourceModule:
    """A module of the package as it is written; made by :meth:`of`."""

    name: str
    is_package: bool
    tree: ast.Module

    @staticmethod
    @cache
    def of(name: str) -> SourceModule | None:
        """The module ``name``; ``None`` for one of another library."""
        package, *inner = name.split(".")
        place = ROOT.joinpath(*inner)
        is_package = place.is_dir()
        path = place / "__init__.py" if is_package else place.with_suffix(".py")
        # A spec would be found by importing the packages around it.
        if package != ROOT.name or not path.is_file():
            return None
        return SourceModule(name, is_package, ast.parse(path.read_text(encoding="utf-8")))

    @property
    def docstring(self) -> str:
        """Of the module, without its indentation."""
        return ast.get_docstring(self.tree) or ""

    def classes(self) -> list[SourceClass]:
        """Those that the module defines."""
        return [SourceClass(self, node) for node in self.tree.body if isinstance(node, ast.ClassDef)]

    def find(self, name: str) -> SourceClass | None:
        """A class that the module defines or imports from another of the package."""
        for found in self.classes():
            if found.name == name:
                return found
        for node in self.tree.body:
            if isinstance(node, ast.ImportFrom) and name in [alias.asname or alias.name for alias in node.names]:
                other = SourceModule.of(self._absolute(node))
                return None if other is None else other.find(name)
        return None

    def _absolute(self, node: ast.ImportFrom) -> str:
        parts = self.name.split(".")
        package = parts[: len(parts) - node.level + self.is_package] if node.level else []
        return ".".join([*package, node.module or ""]).rstrip(".")

    def evaluated(self, node: ast.expr) -> Any:
        """A literal, a citation, a cost or the default of a field, or an attribute of another class."""
        if isinstance(node, ast.Call):
            call = CALLS[ast.unparse(node.func)]
            arguments = [ast.literal_eval(argument) for argument in node.args]
            return call(*arguments, **{str(word.arg): ast.literal_eval(word.value) for word in node.keywords})
        if isinstance(node, ast.Attribute):
            owner = self.find(ast.unparse(node.value))
            return None if owner is None else owner.value(node.attr)
        return ast.literal_eval(node)

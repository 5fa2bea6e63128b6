"""The command line of each cell: what all share, what its method has of its own, and the place of the cell."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path

from ...errors import UserError
from ...methods import METHODS
from ..options import RecipeOptions
from ..typed_settings import did_you_mean
from .grid import BASELINE, Cell, Grid


__all__ = ["check_flags", "words_of"]

# The baseline starts from the original model; the gain of the methods includes the pretraining.
NOT_OF_THE_BASELINE = ("pretrain_steps", "pretrain_batch_size", "pretrain_learning_rate")
# Flags of the comparison itself, for what was misspelled.
OWN = ("add", "jobs", "labels", "methods", "no_baseline", "output", "seeds", "set", "source", "test")


def check_flags(grid: Grid) -> None:
    """Check that each method has the flags that it is given.

    Raises:
        UserError: a flag that no method has, or not all, or one of a method that is not in the grid.
    """
    known = {method: _names_of(method) for method in grid.rows}
    for name in grid.flags:
        having = [method for method in grid.rows if _has(known[method], name)]
        lacking = [method for method in grid.methods if not _has(known[method], name)]
        if not having:
            raise UserError(f"--{name}: no such flag{did_you_mean(name, {*OWN}.union(*known.values()))}")
        if lacking:
            raise UserError(
                f"{name}: {' and '.join(lacking)} has no such setting; for {having[-1]} alone: "
                f"--set {having[-1]}.{name}=VALUE"
            )
    for method, flags in grid.own.items():
        if method not in known:
            raise UserError(f"set: got {method}.{next(iter(flags))}; the methods here are {', '.join(grid.rows)}")
        for name in flags:
            if not _has(known[method], name):
                near = did_you_mean(name, known[method])
                raise UserError(f"set: got {method}.{name}; {method} has no such setting{near}")


def words_of(grid: Grid, cell: Cell, folder: Path, teacher: Path | None = None) -> list[str]:
    """The flags of a cell's run.

    Args:
        grid: of the cell.
        cell: a cell.
        folder: of its run.
        teacher: the baseline's model, for a method that learns from one.
    """
    own, known = grid.own.get(cell.method, {}), _names_of(cell.method)
    left_out = NOT_OF_THE_BASELINE if cell.method == BASELINE else ()
    common = {name: words for name, words in grid.flags.items() if _has(known, name) and name not in left_out}
    words = [f"--{name}={value}" for name, value in grid.data.items()]
    for name, values in {**common, **own}.items():
        words += _words(name, values)
    if cell.labels is not None:
        words.append(f"--num_labeled={cell.labels}")
    if teacher is not None and "teacher" not in own:
        words.append(f"--teacher={teacher}")
    return [*words, f"--seed={cell.seed}", f"--output_dir={folder}", "--no_baseline"]


def _words(name: str, values: tuple[str, ...]) -> list[str]:
    return [f"--{name}={values[0]}"] if len(values) == 1 else [f"--{name}", *values]


def _names_of(method: str) -> set[str]:
    types: Iterable[type] = (RecipeOptions, METHODS[method].config_class)
    entries = [entry for kind in types for entry in fields(kind) if entry.init]
    aliases = {alias.lstrip("-") for entry in entries for alias in entry.metadata.get("aliases", ())}
    return {entry.name for entry in entries} | aliases


def _has(known: set[str], name: str) -> bool:
    return name in known or (name.startswith("no_") and name[3:] in known)

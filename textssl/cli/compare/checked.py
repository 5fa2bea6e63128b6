"""What is found of a grid before its first cell runs."""

from __future__ import annotations

from dataclasses import dataclass

from .grid import Cell


__all__ = ["Checked", "pair_name"]


@dataclass(frozen=True)
class Checked:
    """What is known of the cells that are to run.

    Attributes:
        data: checksum of the examples of each number of labels and seed, by :func:`pair_name`.
        described: the data, for a person.
        measured: what accuracies will be of, for a person.
        with_teacher: methods that learn from the baseline of their seed.
        devices: how many accelerators cells may use.
    """

    data: dict[str, str]
    described: str
    measured: str
    with_teacher: tuple[str, ...]
    devices: int


def pair_name(cell: Cell) -> str:
    """Of the cells that share labeled examples."""
    return f"seed {cell.seed}" if cell.labels is None else f"{cell.labels} labels, seed {cell.seed}"

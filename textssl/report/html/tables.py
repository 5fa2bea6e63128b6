"""Figures in rows, and which of many steps have one."""

from __future__ import annotations

from dataclasses import dataclass


__all__ = ["Table", "left_out", "some_of"]

ROWS = 40


@dataclass(frozen=True)
class Table:
    """Figures in rows.

    Attributes:
        header: names of the columns; the first names the rows.
        rows: texts.
        note: what is not in it.
    """

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


def some_of(length: int) -> list[int]:
    """Places of at most 40 evenly spaced items of ``length``; the last is always there."""
    return list(range(length))[::-1][:: max(1, -(-length // ROWS))][::-1]


def left_out(length: int) -> str:
    """A note on what :func:`some_of` left out; empty if nothing."""
    shown = len(some_of(length))
    return f"{shown} of {length:,} logged steps." if shown < length else ""

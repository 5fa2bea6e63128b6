"""The one table that a recipe prints, its Markdown form, and `results.json`."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from textssl.errors import UserError
from textssl.files import write_atomically
from textssl.report.strict_json import plain


__all__ = ["Row", "comparison_table", "markdown_table", "save_results"]

HEADER = ("method", "labels", "seed", "accuracy %", "macro-F1 %", "gain", "seconds")
MISSING = "-"


@dataclass(frozen=True)
class Row:
    """One run in the comparison.

    Attributes:
        method: name of the method, such as `"uda"`; `"supervised"` marks a baseline.
        labels: how many labeled examples it trained on.
        seed: the run's seed.
        accuracy: held-out accuracy in [0, 1]; None where it was not measured.
        macro_f1: held-out macro-F1 in [0, 1]; None where it was not measured.
        seconds: wall-clock seconds of training; None where it was not measured.
    """

    method: str
    labels: int
    seed: int
    accuracy: float | None = None
    macro_f1: float | None = None
    seconds: float | None = None


def comparison_table(rows: Sequence[Row], baseline: str = "supervised") -> str:
    """The runs as a box of plain text, one line each, in the order given.

    The gain is the accuracy minus that of the baseline with the same number of labels and the same
    seed, in percentage points. What is unknown is a dash: the gain too, where no such baseline is
    among the rows.

    Args:
        rows: the runs.
        baseline: the `method` that the others are compared to.

    Returns:
        Lines of equal width, without a line break at the end.

    Raises:
        UserError: no row, or an accuracy or macro-F1 outside [0, 1].

    Examples:
        >>> supervised = Row("supervised", 20, 0, 0.7, 0.69, 61)
        >>> uda = Row("uda", 20, 0, 0.75, 0.74, 184)
        >>> print(comparison_table([supervised, uda]))
        +------------+--------+------+------------+------------+-------+---------+
        | method     | labels | seed | accuracy % | macro-F1 % |  gain | seconds |
        +------------+--------+------+------------+------------+-------+---------+
        | supervised |     20 |    0 |      70.00 |      69.00 |     - |      61 |
        | uda        |     20 |    0 |      75.00 |      74.00 | +5.00 |     184 |
        +------------+--------+------+------------+------------+-------+---------+
    """
    cells = _cells(rows, baseline)
    widths = [max(map(len, column)) for column in zip(HEADER, *cells, strict=True)]
    rule = "+" + "+".join("-" * (width + 2) for width in widths) + "+"
    lines = [_boxed(line, widths) for line in (HEADER, *cells)]
    return "\n".join([rule, lines[0], rule, *lines[1:], rule])


def markdown_table(rows: Sequence[Row], baseline: str = "supervised") -> str:
    """The same table in Markdown, for a model card.

    Args:
        rows: the runs.
        baseline: the `method` that the others are compared to.

    Returns:
        The header, the line that aligns the columns, and a line per run.

    Raises:
        UserError: as `comparison_table`.
    """
    align = (":--", *["--:"] * (len(HEADER) - 1))
    cells = [[cell.replace("|", "\\|") for cell in line] for line in _cells(rows, baseline)]
    return "\n".join("| " + " | ".join(line) + " |" for line in (HEADER, align, *cells))


def save_results(path: str | os.PathLike[str], results: Mapping[str, Any]) -> Path:
    """Write `results` as JSON, in one step, so that a reader never sees half a file.

    NumPy numbers and arrays and 0-dimensional tensors become numbers and lists, paths become
    strings. JSON has no NaN and no infinity: they become null.

    Args:
        path: the file, usually `results.json` in the output folder.
        results: what to write; its order is kept.

    Returns:
        `path`.

    Raises:
        TypeError: a value, named by its keys, that JSON cannot hold, or a key that is no string.
    """
    text = json.dumps(plain(results, "results"), indent=2, ensure_ascii=False, allow_nan=False)
    return write_atomically(path, (text + "\n").encode())


def _cells(rows: Sequence[Row], baseline: str) -> list[tuple[str, ...]]:
    if not rows:
        raise UserError("rows: got none; expected at least one run")
    for row in rows:
        for name in ("accuracy", "macro_f1"):
            value = getattr(row, name)
            if value is not None and not 0 <= value <= 1:
                raise UserError(f"{name} of {row.method!r}: got {value}; expected a number in [0, 1]")
    reference = {(row.labels, row.seed): row.accuracy for row in rows if row.method == baseline}
    return [
        (
            row.method,
            str(row.labels),
            str(row.seed),
            _percent(row.accuracy),
            _percent(row.macro_f1),
            MISSING if row.method == baseline else _gain(row, reference),
            MISSING if row.seconds is None else f"{row.seconds:.0f}",
        )
        for row in rows
    ]


def _percent(share: float | None) -> str:
    return MISSING if share is None else f"{100 * share:.2f}"


def _gain(row: Row, reference: Mapping[tuple[int, int], float | None]) -> str:
    base = reference.get((row.labels, row.seed))
    if base is None or row.accuracy is None:
        return MISSING
    return f"{100 * (row.accuracy - base):+.2f}"


def _boxed(line: Sequence[str], widths: Sequence[int]) -> str:
    first = line[0].ljust(widths[0])
    others = [cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True)]
    return "| " + " | ".join([first, *others]) + " |"

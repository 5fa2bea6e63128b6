"""A comparison as a table for a person, as Markdown, as CSV and as JSON."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .grid import Cell, Grid
from .statistics import LEVEL, Interval
from .summary import MethodSummary


__all__ = ["as_csv", "as_document", "as_markdown", "columns_of", "notes_on", "rows_of"]

CELL_COLUMNS = (
    "method", "labels", "seed", "status", "accuracy", "macro_f1", "log_loss", "difference", "seconds", "measured_on",
    "examples", "folder", "reason",
)  # fmt: skip
# More seeds are listed in one column.
COLUMNS_OF_SEEDS = 5


def columns_of(grid: Grid) -> list[str]:
    """The heads of the table."""
    labels = ["labels"] if grid.labels else []
    seeds = [f"seed {seed}" for seed in grid.seeds] if len(grid.seeds) <= COLUMNS_OF_SEEDS else ["all seeds"]
    difference = ["difference", f"{LEVEL:.0%} interval"] if grid.baseline else []
    return ["method", *labels, *seeds, "accuracy %", *difference, "macro-F1 %", "log-loss", "seconds"]


def rows_of(grid: Grid, lines: Sequence[MethodSummary]) -> list[list[str]]:
    """The cells of the table; what is not known is a dash."""
    return [_row(grid, line) for line in lines]


def notes_on(grid: Grid, lines: Sequence[MethodSummary], measured: str) -> list[str]:
    """What the figures of the table are, for a person."""
    notes = [f"{measured}; the same labeled examples for all methods of a seed"]
    over = {line.difference.over: line.difference for line in lines if line.difference is not None}
    if "seeds" in over and over["seeds"].low is not None:
        most = max(line.difference.count for line in lines if line.difference and line.difference.over == "seeds")
        notes.append(
            f"difference: mean of the paired differences to the baseline in points; Student's interval over {most} "
            "seeds" + (", wide for so few" if most < COLUMNS_OF_SEEDS else "")
        )
    if "examples" in over:
        notes.append(
            f"difference: to the baseline in points; paired interval over {over['examples'].count:,} examples of "
            "one seed, which says nothing of other seeds"
        )
    for line in lines:
        notes += [f"failed: {Cell(line.method, line.labels, seed)}: {why}" for seed, why in line.failed.items()]
    return notes


def as_markdown(grid: Grid, lines: Sequence[MethodSummary], notes: Sequence[str], command: str) -> str:
    """A table with its notes and the command."""
    columns = columns_of(grid)
    rules = [":--" if column == "method" else "--:" for column in columns]
    table = [columns, rules, *rows_of(grid, lines)]
    text = [f"# {' and '.join(grid.methods)}", "", *(f"| {' | '.join(row)} |" for row in table), ""]
    return "\n".join(
        [*text, *(f"- {note.replace('|', chr(92) + '|')}" for note in notes), "", "```bash", command, "```", ""]
    )


def as_csv(grid: Grid, lines: Sequence[MethodSummary], folder: Path) -> str:
    """One row for each cell."""
    text = io.StringIO()
    rows = csv.DictWriter(text, CELL_COLUMNS, lineterminator="\n")
    rows.writeheader()
    rows.writerows({name: cell.get(name) for name in CELL_COLUMNS} for cell in _cells(grid, lines, folder))
    return text.getvalue()


def as_document(
    grid: Grid, lines: Sequence[MethodSummary], notes: Sequence[str], folder: Path, facts: Mapping[str, Any]
) -> dict[str, Any]:
    """All figures, as JSON has them: shares from 0 to 1."""
    methods = [
        {
            "method": line.method,
            "labels": line.labels,
            "accuracy": _plain(line.accuracy),
            "difference": _plain(line.difference),
            "macro_f1": line.mean("macro_f1"),
            "log_loss": line.mean("log_loss"),
            "seconds": line.mean("seconds"),
        }
        for line in lines
    ]
    return {**facts, "level": LEVEL, "methods": methods, "cells": _cells(grid, lines, folder), "notes": [*notes]}


def _cells(grid: Grid, lines: Sequence[MethodSummary], folder: Path) -> list[dict[str, Any]]:
    found = []
    for line in lines:
        for seed in grid.seeds:
            cell, result = Cell(line.method, line.labels, seed), line.results.get(seed)
            status = "failed" if seed in line.failed else "missing" if result is None else "done"
            figures = {name: (result or {}).get(name) for name in ("accuracy", "macro_f1", "log_loss", "seconds")}
            found.append(
                {
                    "method": line.method, "labels": line.labels, "seed": seed, "status": status, **figures,
                    "difference": line.differences.get(seed), "measured_on": (result or {}).get("part"),
                    "examples": (result or {}).get("examples"), "reason": line.failed.get(seed),
                    "folder": grid.folder_of(cell, folder).relative_to(folder).as_posix(),
                }
            )  # fmt: skip
    return found


def _row(grid: Grid, line: MethodSummary) -> list[str]:
    labels = [str(line.labels)] if grid.labels else []
    accuracies = line.accuracies
    seeds = ["failed" if seed in line.failed else _percent(accuracies.get(seed)) for seed in grid.seeds]
    if len(seeds) > COLUMNS_OF_SEEDS:
        seeds = [" ".join(seeds)]
    difference = [_points(line.difference), _interval(line.difference)] if grid.baseline else []
    log_loss, seconds = line.mean("log_loss"), line.mean("seconds")
    return [
        line.method, *labels, *seeds, _percent(line.accuracy.mean if line.accuracy else None), *difference,
        _percent(line.mean("macro_f1")), "-" if log_loss is None else f"{log_loss:.3f}",
        "-" if seconds is None else f"{seconds:.0f}",
    ]  # fmt: skip


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.2f}"


def _points(difference: Interval | None) -> str:
    return "-" if difference is None else f"{100 * difference.mean:+.2f}"


def _interval(interval: Interval | None) -> str:
    if interval is None or interval.low is None or interval.high is None:
        return "-"
    return f"{100 * interval.low:+.2f} to {100 * interval.high:+.2f}"


def _plain(interval: Interval | None) -> dict[str, Any] | None:
    return None if interval is None else interval.as_dict()

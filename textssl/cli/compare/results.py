"""The end of a comparison: its files, its table, and what to do next."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from pathlib import Path

from ...files import write_atomically
from ..console import next_step, print_json, result, say, table
from .cell_files import cell_result, right_in
from .grid import Cell, Grid
from .page import write_report
from .plot import comparison_figure, save_figure
from .summary import MethodSummary, findings, summarize
from .tables import as_csv, as_document, as_markdown, columns_of, notes_on, rows_of


__all__ = ["report"]

NAME = "compare"


def report(grid: Grid, failures: Mapping[Cell, str], folder: Path, as_json: bool) -> None:
    """Write ``compare.md``, ``.csv``, ``.json``, ``.png`` and ``.svg``, and print the table.

    Args:
        grid: of the cells.
        failures: one line for each cell that failed now.
        folder: of the comparison.
        as_json: print what is in ``compare.json`` in place of the table.
    """
    results = {cell: kept for cell in grid.cells() if (kept := cell_result(grid, cell, folder)) is not None}
    lines = summarize(grid, results, failures, lambda cell: right_in(grid, cell, folder))
    found, explained = findings(lines), notes_on(grid, lines, grid.measured)
    notes = [*explained, *found]
    command = shlex.join(_command_of(grid, folder))
    facts = {"kind": NAME, "data": grid.described, "measured": grid.measured, "command": command}
    document = as_document(grid, lines, notes, folder, facts)
    path = folder / NAME
    write_atomically(path.with_suffix(".md"), as_markdown(grid, lines, [grid.described, *notes], command).encode())
    write_atomically(path.with_suffix(".csv"), as_csv(grid, lines, folder).encode())
    write_atomically(path.with_suffix(".json"), (json.dumps(document, indent=1, ensure_ascii=False) + "\n").encode())
    figure = comparison_figure(lines, grid.measured)
    if figure is not None:
        save_figure(figure, path)
    if as_json:
        print_json(document)
    else:
        result(table(columns_of(grid), rows_of(grid, lines)))
        result("")
        result("\n".join(notes))
    page = write_report(grid, lines, folder, found, explained, command)
    say(f"files: {path}.md, .csv, .json" + ("" if figure is None else ", .png, .svg") + f"; {page}")
    if failures:
        say(f"{len(failures)} of {len(grid.cells())} cells failed; the same command tries them again")
    best = _best(lines)
    if best is not None:
        seed = min(best.results)
        next_step(
            "textssl",
            "predict",
            grid.folder_of(Cell(best.method, best.labels, seed), folder),
            "FILE",
            "-o",
            "predictions.csv",
        )


def _command_of(grid: Grid, folder: Path) -> list[str]:
    # All cells, those that were added later too.
    files = [grid.data[name] for name in ("train_file", "unlabeled_file") if name in grid.data]
    words = ["textssl", NAME, *files]
    for name, flag in (("source", "--source"), ("test_file", "--test")):
        words += [flag, grid.data[name]] if name in grid.data else []
    listed = len(grid.seeds) if grid.seeds == tuple(range(len(grid.seeds))) else ",".join(map(str, (*grid.seeds, "")))
    words += ["--methods", ",".join(grid.methods), "--seeds", str(listed)]
    words += ["--labels", ",".join(map(str, grid.labels))] if grid.labels else []
    words += [] if grid.baseline else ["--no-baseline"]
    for method, flags in grid.own.items():
        words += [word for name, values in flags.items() for word in ("--set", f"{method}.{name}={values[0]}")]
    for name, values in grid.flags.items():
        words += [f"--{name}", *values]
    return [*words, "-o", str(folder)]


def _best(lines: list[MethodSummary]) -> MethodSummary | None:
    measured = [line for line in lines if line.accuracy is not None]
    return max(measured, key=lambda line: line.accuracy.mean if line.accuracy else 0.0, default=None)

"""A comparison as the report of a run: ``report.json`` and ``report.html``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ...errors import UserError
from ...report.contents import RunReport
from ...report.html import write_page
from ...report.parts import Candidate, Curve
from .grid import Cell, Grid
from .statistics import LEVEL
from .summary import MethodSummary


__all__ = ["write_report"]


def write_report(
    grid: Grid,
    lines: Sequence[MethodSummary],
    folder: Path,
    findings: Sequence[str],
    notes: Sequence[str],
    command: str,
) -> Path:
    """Write both files.

    Args:
        grid: of the cells.
        lines: of the table.
        folder: of the comparison.
        findings: sentences, the most important first.
        notes: what the figures are.
        command: that makes the comparison.

    Returns:
        The page.
    """
    runs = _first_runs(grid, lines, folder)
    classes = next((report.classes for report in runs.values()), ())
    failed = [note for note in notes if note.startswith("failed: ")]
    report = RunReport(
        kind="compare",
        title=f"{', '.join(grid.methods)} on {_data_name(grid)}",
        facts=(*_facts(grid).items(), ("how measured", "; ".join(note for note in notes if note not in failed))),
        command=command,
        findings=tuple(findings),
        warnings=tuple(failed),
        classes=classes,
        candidates=tuple(_candidate(line) for line in lines),
        candidate_measured_on=grid.measured.removeprefix("accuracy on "),
        candidate_level=LEVEL,
        curves=tuple(curve for name, run in runs.items() for curve in _renamed(run.curves, name)),
    )
    report.write(folder)
    return write_page(report, folder)


def _facts(grid: Grid) -> Mapping[str, str]:
    facts = {"data": grid.described, "methods": ", ".join(grid.rows), "seeds": ", ".join(map(str, grid.seeds))}
    if grid.labels:
        facts["numbers of labels"] = ", ".join(map(str, grid.labels))
    facts |= {name: " ".join(values) or "on" for name, values in grid.flags.items()}
    own = {f"{method}.{name}": " ".join(v) for method, flags in grid.own.items() for name, v in flags.items()}
    return facts | own


def _data_name(grid: Grid) -> str:
    return grid.data.get("source") or Path(grid.data["train_file"]).name


def _candidate(line: MethodSummary) -> Candidate:
    accuracy, difference = line.accuracy, line.difference
    return Candidate(
        name=_name(line),
        scores=tuple(line.accuracies.values()),
        mean=None if accuracy is None else accuracy.mean,
        low=None if accuracy is None else accuracy.low,
        high=None if accuracy is None else accuracy.high,
        difference=None if difference is None else difference.mean,
        difference_low=None if difference is None else difference.low,
        difference_high=None if difference is None else difference.high,
        log_loss=line.mean("log_loss"),
        seconds=line.mean("seconds"),
        note="; ".join(f"seed {seed} failed: {reason}" for seed, reason in line.failed.items()),
    )


def _name(line: MethodSummary) -> str:
    return line.method if line.labels is None else f"{line.method}, {line.labels} labels"


def _first_runs(grid: Grid, lines: Sequence[MethodSummary], folder: Path) -> dict[str, RunReport]:
    """The report of the first seed of each line: curves of all seeds would not be told apart."""
    found = {}
    for line in lines:
        if not line.results:
            continue
        place = grid.folder_of(Cell(line.method, line.labels, min(line.results)), folder)
        try:
            found[_name(line)] = RunReport.read(place)
        except UserError:
            # A person may delete what is large.
            continue
    return found


def _renamed(curves: Sequence[Curve], run: str) -> list[Curve]:
    return [Curve(curve.name, curve.group, run, curve.steps, curve.values) for curve in curves]

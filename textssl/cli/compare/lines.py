"""What a comparison says while its cells run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..console import Progress, say
from ..run.log_file import LOG_FILE
from .cell_files import cell_result
from .grid import BASELINE, Cell, Grid
from .processes import Answer
from .schedule import Schedule


__all__ = ["CellLines", "counted", "plan_line"]


def plan_line(grid: Grid, missing: Sequence[Cell], folder: Path) -> str:
    """The cells and their folder, before anything runs."""
    count = len(grid.cells())
    labels = "" if len(grid.labels) < 2 else f" x {len(grid.labels)} numbers of labels"
    seeds = counted(len(grid.seeds), "seed")
    done = f", {count - len(missing):,} of them done" if len(missing) < count else ""
    return f"{', '.join(grid.rows)}{labels} x {seeds} = {counted(count, 'cell')}{done}; folder {folder}"


class CellLines:
    """A line for each cell that has ended."""

    def __init__(self, grid: Grid, folder: Path, schedule: Schedule, total: int, bar: Progress | None) -> None:
        self.grid, self.folder, self.schedule, self.total, self.bar = grid, folder, schedule, total, bar
        self._count = 0

    def ended(self, cell: Cell, answer: Answer) -> None:
        """Say how a cell ended and how long the others will take."""
        self._count += 1
        if answer.reason is None:
            accuracy = answer.value["accuracy"]
            told = "done" if accuracy is None else f"{100 * accuracy:.2f} %{self._gain(cell, accuracy)}"
            told += f", {answer.value['wall_seconds']:.0f} s"
        else:
            told = f"failed: {answer.reason} ({self.grid.folder_of(cell, self.folder) / LOG_FILE})"
        left = self.schedule.seconds_left() if self._count < self.total else None
        left_told = "" if left is None else f", about {_duration(left)} left"
        say(f"{cell}: {told}; {self._count} of {self.total} cells{left_told}")
        if self.bar is not None:
            self.bar.advance()

    def _gain(self, cell: Cell, accuracy: float) -> str:
        there = None if cell.method == BASELINE else cell_result(self.grid, cell.baseline, self.folder)
        if there is None or there["accuracy"] is None:
            return ""
        return f" ({100 * (accuracy - there['accuracy']):+.2f} to {BASELINE})"


def counted(count: int, name: str) -> str:
    """A number of things, for a person."""
    return f"{count:,} {name}" if count == 1 else f"{count:,} {name}s"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"

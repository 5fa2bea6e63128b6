"""Runs the cells of a comparison, several at a time; one that fails does not stop the others."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..run.log_file import LOG_FILE
from .grid import BASELINE, Cell, Grid
from .processes import Answer, Processes, Running


__all__ = ["Schedule"]

RUN_CELL = "textssl.cli.compare.cells:run_cell"


@dataclass(frozen=True)
class _Started:
    cell: Cell
    device: int
    since: float


class Schedule:
    """The cells that are to run.

    Args:
        grid: of the cells.
        cells: in the order in which they start.
        folder: of the comparison.
        jobs: how many run at a time.
        devices: accelerators, one for each job in turn; 0 for none.
        with_teacher: methods that wait for the baseline of their seed.
    """

    def __init__(
        self,
        grid: Grid,
        cells: Sequence[Cell],
        folder: Path,
        jobs: int,
        devices: int,
        with_teacher: Sequence[str],
    ) -> None:
        self.grid, self.folder, self.jobs, self.devices = grid, folder, jobs, devices
        self.with_teacher = with_teacher if grid.baseline else ()
        self.pending = list(cells)
        self.failures: dict[Cell, str] = {}
        self.running: dict[Running, _Started] = {}
        self._took: dict[str, list[float]] = {}

    def run(self, processes: Processes, ended: Callable[[Cell, Answer], None]) -> None:
        """Run all cells; whatever interrupts this stops those that are at work.

        Args:
            processes: start them.
            ended: called after each, in the order in which they end.
        """
        try:
            while self.pending or self.running:
                self._start(processes, ended)
                for one in processes.wait([*self.running]):
                    started = self.running.pop(one)
                    answer = one.answer()
                    self._took.setdefault(started.cell.method, []).append(time.monotonic() - started.since)
                    self._end(started.cell, answer, ended)
        finally:
            for one in self.running:
                one.stop()

    def seconds_left(self) -> float | None:
        """Until all have ended, by those that have; ``None`` before the first."""
        if not self._took:
            return None
        now = time.monotonic()
        left = sum(self._expected(cell) for cell in self.pending)
        left += sum(max(0.0, self._expected(one.cell) - (now - one.since)) for one in self.running.values())
        return left / min(self.jobs, max(1, len(self.pending) + len(self.running)))

    def _expected(self, cell: Cell) -> float:
        took = self._took.get(cell.method) or [seconds for all_of in self._took.values() for seconds in all_of]
        return sum(took) / len(took)

    def _start(self, processes: Processes, ended: Callable[[Cell, Answer], None]) -> None:
        for cell in list(self.pending):
            taught = cell.method in self.with_teacher and cell.method != BASELINE
            if taught and cell.baseline in self.failures:
                self.pending.remove(cell)
                self._end(cell, Answer(reason=f"its teacher, {cell.baseline}, failed"), ended)
                continue
            busy = {started.cell for started in self.running.values()}
            waits = taught and (cell.baseline in busy or cell.baseline in self.pending)
            if waits or len(self.running) >= self.jobs:
                continue
            self.pending.remove(cell)
            device = self._free_device()
            started = processes.start(
                RUN_CELL, self.grid, cell, self.folder, taught,
                log=self.grid.folder_of(cell, self.folder) / LOG_FILE, variables=self._variables(device),
            )  # fmt: skip
            self.running[started] = _Started(cell, device, time.monotonic())

    def _end(self, cell: Cell, answer: Answer, ended: Callable[[Cell, Answer], None]) -> None:
        if answer.reason is not None:
            self.failures[cell] = answer.reason
        ended(cell, answer)

    def _free_device(self) -> int:
        used = [started.device for started in self.running.values()]
        return min(range(max(1, self.devices)), key=used.count)

    def _variables(self, device: int) -> dict[str, str]:
        if not self.devices:
            return {}
        visible = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
        return {"CUDA_VISIBLE_DEVICES": visible[device] if device < len(visible) else str(device)}

"""A comparison from its command line to its table."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

from ...errors import UserError
from ..console import is_terminal, progress, say
from ..run.log_file import LOG_FILE
from .cell_files import cell_result
from .checked import Checked
from .grid import Cell, Grid, joined, read_grid
from .lines import CellLines, counted, plan_line
from .machine import available_memory, cores, default_jobs, threads_of
from .own_folder import locked, new_folder
from .processes import Processes
from .request import CompareRequest, folder_of, requested_grid
from .results import report
from .schedule import Schedule


__all__ = ["compare_program"]

CHECK_GRID = "textssl.cli.compare.checks:check_grid"


def compare_program(request: CompareRequest) -> int:
    """Run the cells of a comparison that have not finished, and report all of them.

    Args:
        request: the command line.

    Returns:
        0, or 1 if a cell failed.

    Raises:
        UserError: anything with which one of the cells could not work, or a folder of another comparison.
    """
    folder = folder_of(request)
    before = read_grid(folder)
    grid = requested_grid(request, before)
    if before is not None:
        grid = joined(before, grid, folder)
    with new_folder(folder), locked(folder):
        missing = [cell for cell in grid.cells() if cell_result(grid, cell, folder) is None]
        failures: dict[Cell, str] = {}
        say(plan_line(grid, missing, folder))
        if missing:
            grid, failures = _run(grid, missing, folder, request.jobs)
        report(grid, failures, folder, request.json)
    return 1 if failures else 0


def _run(grid: Grid, missing: list[Cell], folder: Path, jobs: int | None) -> tuple[Grid, dict[Cell, str]]:
    """Check the missing cells, then run them; the grid with what is known of its data, and what failed."""
    processors = cores()
    most = min(jobs or default_jobs(processors, available_memory()), len(missing))
    processes = Processes(threads_of(most, processors))
    embedded = "; examples are embedded now, once for all cells" if grid.flags.get("backend") == ("features",) else ""
    say(f"checking settings and data{embedded}")
    checked = _checked(processes, grid, missing, folder, threads_of(1, processors))
    changed = [name for name, drawn in checked.data.items() if grid.drawn.get(name, drawn) != drawn]
    if changed:
        raise UserError(
            f"output: the examples of {changed[0]} are not those of the cells in {folder}; choose another -o"
        )
    drawn = {**grid.drawn, **checked.data}
    grid = replace(grid, drawn=drawn, described=checked.described, measured=checked.measured)
    grid.write(folder)
    if checked.devices and jobs is None:
        most = min(checked.devices, len(missing))
    on = counted(checked.devices, "accelerator") if checked.devices else f"{counted(processes.threads, 'thread')} each"
    say(f"{checked.described}\n{counted(most, 'cell')} at a time, {on}; each prints into its {LOG_FILE}")
    schedule = Schedule(grid, missing, folder, most, checked.devices, checked.with_teacher)
    bar = progress(len(missing), "cells") if is_terminal() else nullcontext(None)
    with bar as shown:
        lines = CellLines(grid, folder, schedule, len(missing), shown)
        schedule.run(processes, lines.ended)
    return grid, schedule.failures


def _checked(processes: Processes, grid: Grid, missing: list[Cell], folder: Path, threads: int) -> Checked:
    process = processes.start(CHECK_GRID, grid, missing, folder, threads)
    try:
        processes.wait([process])
        answer = process.answer()
    finally:
        process.stop()
    if answer.reason is not None:
        raise UserError(answer.reason)
    checked: Checked = answer.value
    return checked

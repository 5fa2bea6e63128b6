"""What processes of the tests run, and a comparison of cells that only wait."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

from textssl.cli.compare import schedule
from textssl.cli.compare.grid import Cell, Grid
from textssl.cli.compare.processes import Answer, Processes
from textssl.cli.compare.schedule import Schedule
from textssl.cli.program import run_program
from textssl.errors import UserError


HERE = "tests.cli.compare.small_jobs"


def told(*words: str) -> dict[str, Any]:
    print("to standard output", *words, flush=True)
    print("to standard error", file=sys.stderr)
    return {"words": words, "threads": os.environ["OMP_NUM_THREADS"], "own": os.environ.get("OWN")}


def refused() -> None:
    raise UserError("threshold: got 3;\n expected less")


def broken() -> None:
    raise KeyError("nothing of that name")


def killed() -> None:
    os.kill(os.getpid(), 9)


def sleeping(grid: Grid, cell: Cell, folder: Path, taught: bool) -> None:
    (folder / f"{cell.method}.pid").write_text(str(os.getpid()))
    time.sleep(60)


def main(folder: Path) -> None:
    """Two cells at a time that never end."""
    schedule.RUN_CELL = f"{HERE}:sleeping"
    grid = Grid({}, ("uda", "vat"), (0,), baseline=False)
    cells = Schedule(grid, grid.cells(), folder, 2, 0, ())

    def ended(cell: Cell, answer: Answer) -> None:
        print(cell, answer, flush=True)

    run_program(lambda: cells.run(Processes(1, ()), ended), again="the same command")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

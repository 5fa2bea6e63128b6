"""One cell of a comparison, in a process of its own: the run of a recipe, and what is kept of it."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ...files import write_atomically
from ..presets import presets_for
from ..recipe import train_recipe
from ..run.folder import RUN_FILE
from ..run.measured_predictions import MeasuredPredictions
from .cell_files import CELL_FILE, stage_folder
from .cell_flags import words_of
from .grid import Cell, Grid


__all__ = ["PREPARED", "run_cell"]

# What all cells share: translations, and embeddings where their cache cannot be written.
PREPARED = "prepared"


def run_cell(grid: Grid, cell: Cell, folder: Path, with_teacher: bool) -> dict[str, Any]:
    """Train and measure a cell, or go on where it was interrupted.

    Args:
        grid: of the cell.
        cell: which one.
        folder: of the comparison.
        with_teacher: whether its method learns from the baseline of its seed.

    Returns:
        What is in ``cell.json``.

    Raises:
        UserError: settings, data or a model that cannot work.
    """
    started, own = time.monotonic(), grid.folder_of(cell, folder)
    teacher = stage_folder(grid, cell.baseline, folder) if with_teacher else None
    words = words_of(grid, cell, own, teacher)
    if (own / RUN_FILE).is_file():
        words.append("--resume_from_checkpoint")
    train_recipe(cell.method, presets_for(cell.method), argv=words, prepared=folder / PREPARED)
    stage = stage_folder(grid, cell, folder)
    found = json.loads((stage / "result.json").read_text())
    predictions = MeasuredPredictions.read(stage)
    part = None if predictions is None else predictions.part
    before = "validation_" if part == "validation" else ""
    result = {
        **asdict(cell),
        "part": part,
        "examples": 0 if predictions is None else len(predictions.labels),
        "accuracy": found.get(f"{before}accuracy"),
        "macro_f1": found.get(f"{before}macro_f1"),
        "log_loss": found.get("validation_loss" if before else "log_loss"),
        "seconds": found["seconds"],
        "wall_seconds": time.monotonic() - started,
    }
    write_atomically(own / CELL_FILE, json.dumps(result, indent=1).encode())
    return result

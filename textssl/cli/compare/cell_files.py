"""What a finished cell leaves, as the comparison reads it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import UserError
from ..run.measured_predictions import MeasuredPredictions
from .grid import Cell, Grid


__all__ = ["CELL_FILE", "cell_result", "right_in", "stage_folder"]

CELL_FILE = "cell.json"


def cell_result(grid: Grid, cell: Cell, folder: Path) -> dict[str, Any] | None:
    """What a finished cell measured; ``None`` where it has not finished.

    Raises:
        UserError: its file is damaged.
    """
    path = grid.folder_of(cell, folder) / CELL_FILE
    if not path.is_file():
        return None
    try:
        result: dict[str, Any] = json.loads(path.read_text())
    except ValueError as error:
        raise UserError(f"{path} is damaged; delete it and give the same command again") from error
    return result


def right_in(grid: Grid, cell: Cell, folder: Path) -> np.ndarray | None:
    """Whether a cell predicted each of the examples that it was measured on right; ``None`` where there are none."""
    predictions = MeasuredPredictions.read(stage_folder(grid, cell, folder))
    return None if predictions is None else predictions.right()


def stage_folder(grid: Grid, cell: Cell, folder: Path) -> Path:
    """Where the model of a cell is."""
    return grid.folder_of(cell, folder) / cell.method

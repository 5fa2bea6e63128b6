"""Cells of the table: one file for each task, draw, row and settings; what was computed is never computed again."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from textssl.files import write_atomically

from .data import Draw


__all__ = ["Cell", "CellStore", "Key"]


@dataclass(frozen=True)
class Key:
    """What a cell is of. ``settings`` are those of the row, as JSON knows them."""

    task: str
    draw: Draw
    row: str
    settings: dict[str, Any]

    @property
    def digest(self) -> str:
        """Eight hexadecimal digits of the settings."""
        text = json.dumps(self.settings, sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:8]

    @property
    def place(self) -> Path:
        """Where its file is, within the folder of all cells."""
        draw = f"{self.draw.labels}-{self.draw.drawing}-{self.draw.seed}"
        row = re.sub(r"[^a-z_]+", "-", self.row)
        return Path(self.task) / draw / f"{row}-{self.digest}.json"


@dataclass(frozen=True)
class Cell:
    """What came out: ``error`` is one line where it failed, and then there is no figure."""

    key: Key
    figures: dict[str, float]
    seconds: float
    per_example: dict[str, list[float]]
    facts: dict[str, Any]
    error: str | None = None


class CellStore:
    """The folder of all cells."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def get(self, key: Key) -> Cell | None:
        """The cell, failed ones too; ``None`` if it was not computed."""
        path = self.folder / key.place
        return _read(path) if path.is_file() else None

    def put(self, cell: Cell) -> None:
        """Write a cell; its file appears whole or not at all."""
        path = self.folder / cell.key.place
        path.parent.mkdir(parents=True, exist_ok=True)
        content = {
            "task": cell.key.task,
            "labels": cell.key.draw.labels,
            "drawing": cell.key.draw.drawing,
            "seed": cell.key.draw.seed,
            "row": cell.key.row,
            "settings": cell.key.settings,
            "figures": cell.figures,
            "seconds": cell.seconds,
            "facts": cell.facts,
            "error": cell.error,
            "per_example": cell.per_example,
        }
        write_atomically(path, (json.dumps(content, default=str) + "\n").encode())

    def all(self) -> Iterator[Cell]:
        """All cells, in the order of their files."""
        for path in sorted(self.folder.glob("*/*-*-*/*.json")):
            yield _read(path)


def _read(path: Path) -> Cell:
    content = json.loads(path.read_text(encoding="utf-8"))
    draw = Draw(content["labels"], content["drawing"], content["seed"])
    key = Key(content["task"], draw, content["row"], content["settings"])
    return Cell(
        key, content["figures"], content["seconds"], content["per_example"], content["facts"], content["error"]
    )

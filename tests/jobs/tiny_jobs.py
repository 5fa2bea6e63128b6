"""Jobs for tests, as a module: another process must be able to load them."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset


def texts(rows: int = 50) -> Dataset:
    """In memory; text i is i in words of one digit."""
    return Dataset.from_dict({"text": [" ".join(str(i)) for i in range(rows)], "number": list(range(rows))})


class Lengths:
    """Length of each text, in several types, and the text backwards."""

    def __init__(self, name: str = "lengths") -> None:
        self.name = name
        self.calls: list[list[str]] = []

    def __call__(self, rows: dict[str, list[Any]]) -> dict[str, Any]:
        self.calls.append(rows["text"])
        lengths = np.array([len(text) for text in rows["text"]])
        return {
            "length": lengths.astype(np.int32),
            "powers": np.stack([lengths, lengths**2, lengths**3], axis=1).astype(np.float32),
            "half": (lengths / 2).astype(np.float16),
            "odd": np.stack([lengths % 2 == 1, lengths % 2 == 0], axis=1),
            "backwards": [text[::-1] for text in rows["text"]],
        }


class Fails(Lengths):
    """Raises at one text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text

    def __call__(self, rows: dict[str, list[Any]]) -> dict[str, Any]:
        if self.text in rows["text"]:
            raise KeyError(self.text)
        return super().__call__(rows)


class DiesOnce(Lengths):
    """Its process is killed at one text, the first time."""

    def __init__(self, text: str, marker: Path) -> None:
        super().__init__()
        self.text = text
        self.marker = marker

    def __call__(self, rows: dict[str, list[Any]]) -> dict[str, Any]:
        if self.text in rows["text"] and not self.marker.exists():
            self.marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__call__(rows)


class Short(Lengths):
    """Forgets a row."""

    def __call__(self, rows: dict[str, list[Any]]) -> dict[str, Any]:
        return {"length": super().__call__(rows)["length"][1:]}


def contents(folder: Path) -> dict[str, bytes]:
    """All files below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}

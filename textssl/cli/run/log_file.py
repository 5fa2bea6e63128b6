"""What a run prints, kept in its folder by a program that has several runs."""

from __future__ import annotations

import os
from pathlib import Path


__all__ = ["LOG_FILE", "print_into"]

LOG_FILE = "log.txt"


def print_into(path: Path | None) -> None:
    """Send all that this process prints from now on to the end of a file; ``None`` sends it to standard error."""
    if path is None:
        os.dup2(2, 1)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(descriptor)

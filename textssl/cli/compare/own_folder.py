"""The folder of a comparison while one is at work in it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ...errors import UserError


__all__ = ["locked", "new_folder"]

LOCK = ".lock"


@contextmanager
def new_folder(folder: Path) -> Iterator[None]:
    """Make the folder; after a mistake nothing of it is left where it was empty."""
    made = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except UserError:
        if made and not any(entry.is_file() for entry in folder.rglob("*") if entry.name != LOCK):
            shutil.rmtree(folder)
        raise


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep a second comparison out of the folder."""
    try:
        import fcntl
    except ImportError:
        # Not on Windows.
        yield
        return
    with (folder / LOCK).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(f"output: another textssl compare is at work in {folder}") from None
        except OSError:
            # A file system without locks.
            pass
        yield

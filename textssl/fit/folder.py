"""The output folder of a choice among classifiers: it holds nothing else, and a full disk loses nothing."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from .. import __version__
from ..errors import UserError
from ..files import is_disk_full, write_atomically


__all__ = ["claim_folder", "disk_full", "disk_guard"]

RECORD = "fit_folder.json"


def claim_folder(output_dir: str | os.PathLike[str], label_names: Sequence[str]) -> Path:
    """Create the output folder, or resume in one with the same classes.

    Args:
        output_dir: the folder.
        label_names: the classes.

    Raises:
        UserError: it is a file, cannot be written, holds other files than those of a choice, or is of other classes.
    """
    folder = Path(output_dir)
    if folder.exists() and not folder.is_dir():
        raise UserError(f"output_dir: {str(folder)!r} is a file; choose another")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        present = {entry.name for entry in folder.iterdir()}
        before = _recorded(folder / RECORD) if RECORD in present else None
        if present and before is None:
            raise UserError(f"output_dir: {str(folder)!r} holds files of something else; choose another")
        # A record alone is of a call that failed before any work.
        if before is None or present == {RECORD}:
            before = list(label_names)
            write_atomically(folder / RECORD, _record(label_names))
    except OSError as error:
        if is_disk_full(error):
            raise disk_full(error, folder) from error
        reason = " ".join(str(error).split())
        raise UserError(f"output_dir: {str(folder)!r} cannot be written ({reason})") from error
    if before != list(label_names):
        raise UserError(
            f"output_dir: {str(folder)!r} is of a classifier of the classes {before!r:.200}, not of "
            f"{list(label_names)!r:.200}; choose another"
        )
    return folder


@contextmanager
def disk_guard(folder: Path) -> Iterator[None]:
    """Turn a full disk into one line.

    Raises:
        UserError: the disk is full.
    """
    try:
        yield
    except (OSError, SafetensorError) as error:
        if not is_disk_full(error):
            raise
        raise disk_full(error, folder) from error


def disk_full(error: BaseException, folder: Path) -> UserError:
    """Error message for a full disk."""
    return UserError(
        f"output_dir: the disk is full ({' '.join(str(error).split())}); what was finished is kept in "
        f"{str(folder)!r}, and the same call goes on from there once there is room"
    )


def _record(label_names: Sequence[str]) -> bytes:
    return (json.dumps({"textssl": __version__, "label_names": list(label_names)}, indent=2) + "\n").encode()


def _recorded(path: Path) -> list[str] | None:
    try:
        names = json.loads(path.read_text())["label_names"]
    except (ValueError, KeyError, TypeError):
        return None
    return [str(name) for name in names] if isinstance(names, list) else None

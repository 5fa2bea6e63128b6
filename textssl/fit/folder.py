"""The output folder of a choice among classifiers: it holds nothing else, and a full disk loses nothing."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from .. import __version__
from ..errors import UserError
from ..files import is_disk_full, write_atomically


__all__ = ["claim_folder", "disk_full", "disk_guard"]

RECORD = "fit_folder.json"
WRITTEN = (
    "model", "search", "embeddings", "encoder", "test.json", "report.json", "report.html", "label_next.csv",
)  # fmt: skip
# Most signs of a setting in a message.
SHOWN = 60


def claim_folder(
    output_dir: str | os.PathLike[str],
    label_names: Sequence[str],
    settings: Mapping[str, Any] | None = None,
    overwrite: bool = False,
) -> Path:
    """Create the output folder, or resume in one of the same classes and settings.

    Args:
        output_dir: the folder.
        label_names: the classes.
        settings: further ones that must be as before, by name: numbers, strings or lists of them.
        overwrite: delete what a choice left in the folder.

    Raises:
        UserError: it is a file, cannot be written, holds other files than those of a choice, or is of other classes
            or settings.
    """
    folder = Path(output_dir)
    record = {"textssl": __version__, "label_names": list(label_names), "settings": dict(settings or {})}
    if folder.exists() and not folder.is_dir():
        raise UserError(f"output_dir: {str(folder)!r} is a file; choose another")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Of a call that was killed while it wrote its record, the half of it is no content.
        present = {entry.name for entry in folder.iterdir() if not entry.match(f".{RECORD}.*.tmp")}
        before = _recorded(folder / RECORD) if RECORD in present else None
        if present and before is None:
            raise UserError(f"output_dir: {str(folder)!r} holds files of something else; choose another")
        if overwrite and present:
            _clear(folder)
        # A record alone is of a call that failed before any work.
        if overwrite or before is None or present == {RECORD}:
            before = record
            write_atomically(folder / RECORD, (json.dumps(record, indent=2) + "\n").encode())
    except OSError as error:
        if is_disk_full(error):
            raise disk_full(error, folder) from error
        reason = " ".join(str(error).split())
        raise UserError(f"output_dir: {str(folder)!r} cannot be written ({reason})") from error
    _check_same(folder, before, record)
    return folder


def _check_same(folder: Path, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Refuse to go on with other classes or settings than those of the folder."""
    if before["label_names"] != now["label_names"]:
        raise UserError(
            f"output_dir: {str(folder)!r} is of a classifier of the classes {before['label_names']!r:.200}, not of "
            f"{now['label_names']!r:.200}; choose another, or start anew with overwrite"
        )
    known, given = before["settings"], now["settings"]
    differs = [name for name in given if name in known and known[name] != given[name]]
    if differs:
        listed = ", ".join(_difference(name, known[name], given[name]) for name in differs)
        raise UserError(
            f"output_dir: {str(folder)!r} holds the result of other settings: {listed}; choose another, or start anew "
            "with overwrite"
        )


def _difference(name: str, before: Any, now: Any) -> str:
    # Checksums and long lists say nothing to a person.
    short = all(len(str(value)) <= SHOWN for value in (before, now))
    return f"{name} was {before}, now {now}" if short else f"other {name}"


def _clear(folder: Path) -> None:
    """Delete what choices write; other files stay."""
    for name in WRITTEN:
        place = folder / name
        if place.is_dir() and not place.is_symlink():
            shutil.rmtree(place)
        else:
            place.unlink(missing_ok=True)


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


def _recorded(path: Path) -> dict[str, Any] | None:
    """The record of a folder; ``None`` where the file is none."""
    try:
        record = json.loads(path.read_text())
        names, settings = record["label_names"], record.get("settings", {})
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return record | {"settings": settings} if isinstance(names, list) and isinstance(settings, dict) else None

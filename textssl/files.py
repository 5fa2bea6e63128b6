"""Writing a file so that a reader never sees half of it, and telling whether it is still what was written."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError


__all__ = ["atomic_path", "is_disk_full", "sha256_of", "sha256_of_all", "write_atomically"]

# Told by their text, for safetensors gives no number.
_FULL = tuple(os.strerror(number) for number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG))


@contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary path in the same folder, and rename it to `path` if all goes well.

    What was written there reaches the disk before it takes the final name, so after a crash at any
    point `path` holds either what it held before or all of the new. On an error the temporary file
    is removed and `path` is as before.

    Args:
        path: the file to write; its folder exists.

    Yields:
        Where to write instead.

    Raises:
        OSError: the file cannot be written.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        _sync(temporary, os.O_RDWR)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    if os.name == "posix":
        # The new name lies in the folder. Other systems cannot open one.
        _sync(path.parent, os.O_RDONLY)


def write_atomically(path: str | os.PathLike[str], data: bytes) -> Path:
    """Replace `path` by `data` in one step, as :func:`atomic_path` does.

    Args:
        path: the file to write; its folder is made where it is missing.
        data: what it shall hold.

    Returns:
        `path`.

    Raises:
        OSError: the folder cannot be made or written; `path` is unchanged and no temporary file
            stays.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)
    return path


def is_disk_full(error: BaseException) -> bool:
    """Whether a write failed for want of room: disk, quota or the largest size of a file."""
    return isinstance(error, OSError | SafetensorError) and any(reason in str(error) for reason in _FULL)


def sha256_of(path: str | os.PathLike[str]) -> str:
    """SHA-256 of what a file holds, in hexadecimal; it is read in pieces.

    Raises:
        OSError: the file cannot be read.
    """
    with open(path, "rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def sha256_of_all(folder: Path, paths: Iterable[Path]) -> str:
    """SHA-256 of the names and contents of files, in hexadecimal.

    Args:
        folder: that names are relative to.
        paths: files in it, in the order in which they count.

    Raises:
        OSError: one of them cannot be read.
        ValueError: one of them is not in the folder.
    """
    digest = hashlib.sha256()
    for path in paths:
        digest.update(f"{path.relative_to(folder).as_posix()}\0{sha256_of(path)}\n".encode())
    return digest.hexdigest()


def _sync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

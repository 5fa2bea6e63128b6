"""Writing a file so that a reader never sees half of it."""

from __future__ import annotations

import os
from pathlib import Path


__all__ = ["write_atomically"]


def write_atomically(path: str | os.PathLike[str], data: bytes) -> Path:
    """Replace `path` by `data` in one step; its folder is made where it is missing.

    The bytes go to a temporary file in the same folder, reach the disk, and take the final name
    last. After a crash at any point `path` holds either what it held before or all of `data`.

    Args:
        path: the file to write.
        data: what it shall hold.

    Returns:
        `path`.

    Raises:
        OSError: the folder cannot be made or written; `path` is unchanged and no temporary file
            stays.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return path

"""Whether a file is still the one of which a record tells the size and the SHA-256."""

from __future__ import annotations

from pathlib import Path

from ..errors import UserError
from ..files import sha256_of


__all__ = ["check_recorded"]


def check_recorded(what: str, path: Path, size: int, sha256: str, record: str, verify: bool) -> None:
    """Raise UserError for a file that is missing, cut or changed.

    Args:
        what: how the message begins, such as ``"bank: the shard"``.
        path: of the file.
        size: bytes that it had.
        sha256: of its content then, in hexadecimal.
        record: name of the file that tells both.
        verify: read all of it and compare checksums; else the size alone is compared.
    """
    if not path.is_file():
        raise UserError(f"{what} {str(path)!r} is missing")
    if (found := path.stat().st_size) != size:
        raise UserError(f"{what} {str(path)!r} was cut or changed: {found} bytes, expected {size}")
    if verify and sha256_of(path) != sha256:
        raise UserError(f"{what} {str(path)!r} was changed: another SHA-256 than {record} has")

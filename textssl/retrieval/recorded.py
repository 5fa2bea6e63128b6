"""Records of files: written in one step, read back, and compared with the files that they describe."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

from ..errors import UserError
from ..files import sha256_of, write_atomically


__all__ = ["check_recorded", "read_facts", "write_facts"]

R = TypeVar("R")


def write_facts(record: Any, path: Path) -> None:
    """Write a dataclass as JSON, in one step."""
    write_atomically(path, json.dumps(asdict(record), indent=1).encode())


def read_facts(path: Path, version: int, make: Callable[[dict[str, Any]], R], argument: str, content: str) -> R:
    """Read what :func:`write_facts` wrote.

    Args:
        path: of the file.
        version: that its content must have.
        make: makes the dataclass of the content.
        argument: how messages begin, such as ``"bank"``.
        content: what messages say that the folder should hold, such as ``"bank of sentences"``.

    Raises:
        UserError: there is no such file, or it is none that this version wrote.
    """
    if not path.is_file():
        raise UserError(f"{argument}: {str(path.parent)!r} is no {content} (no {path.name})")
    try:
        values: dict[str, Any] = json.loads(path.read_text())
        if values["version"] != version:
            raise ValueError(f"version {values['version']}, expected {version}")
        return make(values)
    except (ValueError, KeyError, TypeError) as error:
        article = "an" if argument[0] in "aeiou" else "a"
        raise UserError(f"{argument}: {str(path)!r} is no description of {article} {argument} ({error})") from error


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
        raise UserError(f"{what} {str(path)!r} is corrupt: {found} bytes, expected {size}")
    if verify and sha256_of(path) != sha256:
        raise UserError(f"{what} {str(path)!r} was changed: another SHA-256 than {record} has")

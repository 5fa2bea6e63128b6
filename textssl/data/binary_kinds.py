"""Files that are no text, told by their first bytes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..errors import UserError


__all__ = ["check_is_text", "check_names"]

ARCHIVE = "unpack it and name the file in it"
TABLE = "save its table as CSV"
# What a file begins with, what it is, and what a person can do.
KINDS = (
    (b"PK\x03\x04", "a zip file or an Excel, Word or LibreOffice file", "save its table as CSV, or unpack it"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel or Word file", TABLE),
    (b"%PDF-", "a PDF file", TABLE),
    (b"PAR1", "a Parquet file", "let its name end in .parquet"),
    (b"ARROW1\0\0", "an Arrow file", "save it as Parquet or CSV"),
    (b"SQLite format 3\0", "a SQLite database", TABLE),
    (b"\x1f\x8b", "a gzip archive", "let its name end in .gz, such as .csv.gz"),
    (b"\xfd7zXZ\0", "an xz archive", ARCHIVE),
    (b"\x28\xb5\x2f\xfd", "a Zstandard archive", ARCHIVE),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", ARCHIVE),
    (b"Rar!\x1a\x07", "a RAR archive", ARCHIVE),
    (b"\x89PNG\r\n\x1a\n", "a PNG image", "images are read from a folder, or from a table of their paths"),
    (b"\xff\xd8\xff", "a JPEG image", "images are read from a folder, or from a table of their paths"),
    (b"GIF87a", "a GIF image", "images are read from a folder, or from a table of their paths"),
    (b"GIF89a", "a GIF image", "images are read from a folder, or from a table of their paths"),
)


def check_is_text(path: Path, start: bytes) -> None:
    """Check that a file does not begin as one of another kind does.

    Args:
        path: of the file, for the message.
        start: its first bytes, unpacked.

    Raises:
        UserError: it is a workbook, an archive, an image, or another file that is no text.
    """
    for mark, kind, advice in KINDS:
        if start.startswith(mark):
            raise UserError(f"path: {str(path)!r} is {kind}, not a table in text; {advice}")


def check_names(path: str | Path, names: Sequence[str]) -> None:
    """Check that the names of columns are text: Arrow and data sets disagree on those with a zero byte.

    Raises:
        UserError: there is a zero byte in one.
    """
    if any("\0" in name for name in names):
        raise UserError(f"path: {str(path)!r} has a zero byte in its first line: it is no table in text, or damaged")

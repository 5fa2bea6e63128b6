"""What rows of text come from: a file in any encoding, compressed or not, or standard input."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

from ..data.binary_kinds import check_is_text
from ..data.table_files import check_start
from ..data.text_files import HEAD, UTF8, as_file, encoding_of, utf8_stream
from ..errors import UserError
from ..files import sha256_of
from .streams import RowStream, named_file


__all__ = ["TextStream"]

BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class TextStream(RowStream):
    """A file of text, or standard input, which can be read once.

    Args:
        path: of the file; ``None`` for standard input.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.name = "standard input" if path is None else str(path)
        self.folder = Path() if path is None else path.absolute().parent

    @property
    def fingerprint(self) -> str | None:
        """Of the file."""
        return None if self.path is None else sha256_of(self.path)

    def open(self) -> BinaryIO:
        """Its content in UTF-8, unpacked."""
        if self.path is None:
            return self._standard_input
        with named_file():
            return utf8_stream(self.path, self._encoding)[0]

    def start(self) -> tuple[bytes, str]:
        """The first bytes, and the encoding of the file.

        Raises:
            UserError: nothing but white space, or a page of the web.
        """
        standard: Any = self._standard_input if self.path is None else None
        if standard is not None:
            return standard.peek(HEAD), UTF8
        path = self.path or Path()
        with named_file():
            stream, encoding = utf8_stream(path, self._encoding)
            first = stream.read(HEAD)
            if not first.strip() and not stream.read().strip():
                raise UserError(f"path: {str(path)!r} is empty")
            check_start(path, first)
        return first, encoding

    @cached_property
    def _encoding(self) -> tuple[str, int]:
        return encoding_of(self.path or Path())

    @cached_property
    def _standard_input(self) -> BinaryIO:
        return as_file(_standard_input())


def _standard_input() -> Iterator[bytes]:
    standard: Any = sys.stdin.buffer
    first = standard.read1(HEAD)
    with named_file():
        check_is_text(Path("standard input"), first)
    yield first.removeprefix(BYTE_ORDER_MARK)
    while piece := standard.read1(HEAD):
        yield piece

"""Text files as people have them: in UTF-8 or not, with any usual delimiter, compressed or not."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import itertools
import json
import logging
import re
import string
import sys
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from ..errors import UserError
from ..notices import warn_once
from .binary_kinds import check_is_text


__all__ = [
    "as_file",
    "bad_csv_line",
    "bad_json_line",
    "delimiter_of",
    "encoding_of",
    "header_of",
    "suffix_of",
    "utf8_content",
    "utf8_stream",
    "warn_of_guessed_format",
]

DELIMITERS = (",", ";", "\t", "|")
SPOKEN = {",": "comma", ";": "semicolon", "\t": "tab", "|": "vertical bar"}
UTF8, WESTERN = "UTF-8", "Windows-1252"
MARKS = (
    (codecs.BOM_UTF8, UTF8),
    (codecs.BOM_UTF32_LE, "UTF-32-LE"),
    (codecs.BOM_UTF32_BE, "UTF-32-BE"),
    (codecs.BOM_UTF16_LE, "UTF-16-LE"),
    (codecs.BOM_UTF16_BE, "UTF-16-BE"),
)
HEAD, CHUNK = 1 << 16, 1 << 20
# Most of the letters of a text in a western language are ASCII; in Cyrillic or Greek none are.
WESTERN_SHARE = 0.3

logger = logging.getLogger(__name__)


def suffix_of(path: Path) -> str:
    """``.csv`` of ``a.CSV`` and of ``a.csv.gz``."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    return suffixes[-2] if suffixes[-1:] == [".gz"] and len(suffixes) > 1 else (suffixes or [""])[-1]


def utf8_content(path: Path) -> tuple[bytes, str]:
    """Content of a text file, unpacked and in UTF-8 without a mark, and the encoding that the file has.

    A mark at the beginning decides, then the null bytes of UTF-16; what is no UTF-8 then is Windows-1252, the code of
    western Windows, if most of its letters are ASCII.

    Raises:
        UserError: an encoding that is none of these, or a damaged archive.
    """
    content = b"".join(_pieces(path))
    encoding, mark = _encoding_of((content[start : start + CHUNK] for start in range(0, len(content), CHUNK)), path)
    rest = content[mark:]
    return (rest if encoding == UTF8 else _recoded(rest, encoding, path)), encoding


def utf8_stream(path: Path, known: tuple[str, int] | None = None) -> tuple[BinaryIO, str]:
    """As :func:`utf8_content`, but a file to read from, of which little is held in memory; it ends in a line break.

    Args:
        path: of the file.
        known: what :func:`encoding_of` said of it, which reads all of it.

    Raises:
        UserError: as from :func:`utf8_content`; where a file is damaged only further on, when it is read there.
    """
    encoding, mark = encoding_of(path) if known is None else known
    return as_file(_in_utf8(path, encoding, mark)), encoding


def encoding_of(path: Path) -> tuple[str, int]:
    """The encoding of a file, and how many bytes mark it.

    Raises:
        UserError: as from :func:`utf8_content`.
    """
    return _encoding_of(_pieces(path), path)


def as_file(pieces: Iterator[bytes]) -> BinaryIO:
    """Pieces of bytes, one after the other, as a file to read from."""
    return io.BufferedReader(_Pieces(pieces), CHUNK)


class _Pieces(io.RawIOBase):
    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces, self._rest = pieces, b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._rest = piece
        count = min(len(buffer), len(self._rest))
        buffer[:count], self._rest = self._rest[:count], self._rest[count:]
        return count


def _in_utf8(path: Path, encoding: str, mark: int) -> Iterator[bytes]:
    decoder, last = codecs.getincrementaldecoder(encoding)(), b""
    try:
        for piece in _pieces(path):
            content, mark = piece[mark:], max(mark - len(piece), 0)
            content = content if encoding == UTF8 else decoder.decode(content).encode()
            last = content[-1:] or last
            yield content
        if encoding != UTF8:
            decoder.decode(b"", final=True)
        if last not in (b"\n", b"\r"):
            yield b"\n"
    except UnicodeDecodeError as error:
        raise _undecodable(encoding, path, error) from error


def _encoding_of(pieces: Iterable[bytes], path: Path) -> tuple[str, int]:
    """The encoding of a file, and the bytes of its mark."""
    rest = iter(pieces)
    first = next(rest, b"")
    for mark, encoding in MARKS:
        if first.startswith(mark):
            return encoding, len(mark)
    head = first[:HEAD]
    for place, encoding in ((1, "UTF-16-LE"), (0, "UTF-16-BE")):
        # Of western letters, commas and line breaks every second byte is null.
        if len(head) > 1 and head[place::2].count(0) > len(head) / 4 > head[1 - place :: 2].count(0):
            return encoding, 0
    decoder, is_utf8, beyond, letters = codecs.getincrementaldecoder("utf-8")(), True, 0, 0
    for piece in itertools.chain([first], rest):
        is_utf8 = is_utf8 and _decodes(decoder, piece, final=False)
        beyond += len(piece.translate(None, bytes(range(128))))
        letters += len(piece) - len(piece.translate(None, string.ascii_letters.encode()))
    if is_utf8 and _decodes(decoder, b"", final=True):
        return UTF8, 0
    if beyond > WESTERN_SHARE * (beyond + letters):
        raise UserError(_unknown(path))
    return WESTERN, 0


def _decodes(decoder: codecs.IncrementalDecoder, piece: bytes, final: bool) -> bool:
    try:
        decoder.decode(piece, final)
    except UnicodeDecodeError:
        return False
    return True


def _pieces(path: Path) -> Iterator[bytes]:
    """The content of a file, unpacked, in pieces."""
    try:
        with gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb") as file:
            piece = file.read(CHUNK)
            check_is_text(path, piece)
            while piece:
                yield piece
                piece = file.read(CHUNK)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UserError(f"path: {str(path)!r} is no whole gzip archive ({error})") from error


def _recoded(content: bytes, encoding: str, path: Path) -> bytes:
    try:
        return content.decode(encoding).encode()
    except UnicodeDecodeError as error:
        raise _undecodable(encoding, path, error) from error


def _undecodable(encoding: str, path: Path, error: UnicodeDecodeError) -> UserError:
    return UserError(_unknown(path) if encoding == WESTERN else f"path: {str(path)!r} is no {encoding}: {error}")


def _unknown(path: Path) -> str:
    return (
        f"path: {str(path)!r} has an encoding that cannot be detected reliably: neither UTF-8, UTF-16, UTF-32 nor "
        f"{WESTERN}; save it in UTF-8, such as by iconv -f ENCODING -t UTF-8"
    )


def delimiter_of(content: bytes, column: str, usual: str) -> str:
    """What stands between the columns: that by which the first line has a field named ``column``.

    Args:
        content: in UTF-8.
        column: a column that is needed.
        usual: what the suffix of the file says; taken unless another one fits better.
    """
    headers = {delimiter: [name.strip() for name in header_of(content, delimiter)] for delimiter in DELIMITERS}
    # Of two that have the column, as of one column alone, the usual one; without the column, the most fields.
    return max(headers, key=lambda d: (column in headers[d], len(headers[d]), d == usual))


def header_of(content: bytes, delimiter: str) -> list[str]:
    """The fields of the first line of CSV; none where it is no CSV.

    Args:
        content: in UTF-8.
        delimiter: that stands between the columns.
    """
    text = content[:HEAD].decode(errors="ignore")
    try:
        return next((row for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter) if row), [])
    except csv.Error:
        return []


def bad_csv_line(content: bytes, delimiter: str) -> str | None:
    """Which line begins the first row that has not as many fields as the header, for a message."""
    csv.field_size_limit(sys.maxsize)
    text = io.TextIOWrapper(io.BytesIO(content), encoding="utf-8", errors="replace", newline="")
    rows = csv.reader(text, delimiter=delimiter, strict=True)
    header: list[str] | None = None
    begin = 1
    try:
        for row in rows:
            if row and header is None:
                header = row
            elif row and header is not None and len(row) != len(header):
                return f"line {begin}: Expected {len(header)} columns, got {len(row)}"
            begin = rows.line_num + 1
    except csv.Error as error:
        return f"in the row that begins in line {begin}: {error}"
    return None


def bad_json_line(content: bytes) -> str | None:
    """Which line of a file of one object a line is none, for a message."""
    for number, line in enumerate(content.splitlines(), 1):
        try:
            if line.strip() and not isinstance(json.loads(line), dict):
                return f"line {number} holds no object"
        except ValueError as error:
            return f"line {number}: {error}"
    return None


def warn_of_guessed_format(
    path: Path, encoding: str, delimiter: str | None, usual: str | None, content: bytes
) -> None:
    """Say, once, how a file was read that is not as its suffix says, or not in UTF-8."""
    notes = []
    if delimiter != usual:
        notes.append(f"with a {SPOKEN[str(delimiter)]} between columns")
    if encoding != UTF8:
        notes.append(f"in {encoding}")
    if encoding == WESTERN:
        words = re.findall(r"\w*[^\W\d_a-zA-Z]\w*", content[:HEAD].decode(errors="ignore"))
        notes.append(f"with words such as {words[0]!r}; if these look wrong, save it in UTF-8" if words else "")
    if notes:
        warn_once(logger, f"{path}: read {', '.join(part for part in notes if part)}")

"""Rows of JSON and of plain lines, in windows."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
from datasets import Dataset

from ..data.tables import table_to_dataset
from ..data.text_files import utf8_content
from ..errors import UserError
from .streams import HEAD_ROWS, Window, named_file
from .text_streams import TextStream


__all__ = ["JsonStream", "LineStream"]

TEXT = "text"
JSON_ROWS = 4096
# How the half of a character begins that JSON can write and UTF-8 cannot.
SURROGATE = b"\\ud"


class JsonStream(TextStream):
    """JSON, an object a line or an array of objects. Each row is the object as it was read.

    Args:
        path: of the file; ``None`` for standard input.
    """

    kind = "jsonl"

    def __init__(self, path: Path | None) -> None:
        super().__init__(path)
        self._objects: list[Any] | None = None
        self._lines: Iterator[dict[str, Any]] | None = None
        if path is None:
            self._lines = self._rows()
            self._first = list(itertools.islice(self._lines, 1))
        else:
            start, _ = self.start()
            if start.lstrip().startswith(b"["):
                self._objects = self._array()
            self._first = list(itertools.islice(self._rows(), HEAD_ROWS))
            _check_rows(self._first, self.name)
        self.columns = _keys(self._first)
        if not self._first:
            raise UserError(f"file: {self.name!r} holds no rows")

    @property
    def head(self) -> Dataset:
        """The first rows."""
        return table_to_dataset(pa.table({name: _values(self._first, name) for name in self.columns}))

    def scan(self, column: str) -> None:
        """Read all rows once; columns that come later are found."""
        if self.path is None:
            return
        self.total = 0
        for window in self.windows(JSON_ROWS):
            for row, values in enumerate(window, self.total):
                value = values.get(column)
                if not isinstance(value, str | None) and value == value:
                    raise UserError(f"file: {self.name!r} has {value!r:.40} as {column!r} in row {row}")
            self.total += len(window)
            self.columns = list(dict.fromkeys([*self.columns, *_keys(window)]))

    def windows(self, size: int, skip: int = 0) -> Iterator[Window]:
        """Lists of objects."""
        rows = self._rows() if self._lines is None else itertools.chain(self._first, self._lines)
        rows = itertools.islice(rows, skip, None)
        while window := list(itertools.islice(rows, size)):
            yield window

    def schema(self) -> pa.Schema:
        """The narrowest types that hold all rows."""
        found = pa.schema([])
        for window in self.windows(JSON_ROWS):
            try:
                own = pa.schema([(name, pa.array([row.get(name) for row in window]).type) for name in _keys(window)])
                found = pa.unify_schemas([found, own], promote_options="permissive")
            except (pa.ArrowException, OverflowError) as error:
                reason = " ".join(str(error).split())[:200]
                raise UserError(f"file: {self.name!r} has a column with values of several kinds ({reason})") from error
        return pa.schema([found.field(name) for name in self.columns])

    def _array(self) -> list[Any]:
        with named_file():
            content, _ = utf8_content(self.path or Path())
        try:
            found = json.loads(content)
        except ValueError as error:
            raise UserError(f"file: cannot read {self.name!r}: {error}") from error
        if not all(isinstance(row, dict) for row in found):
            raise UserError(f"file: {self.name!r} is an array of something else than objects")
        return list(found)

    def _rows(self) -> Iterator[dict[str, Any]]:
        if self._objects is not None:
            yield from self._objects
            return
        for number, line in enumerate(self.open(), 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError as error:
                raise UserError(f"file: cannot read {self.name!r}: line {number}: {error}") from error
            if not isinstance(row, dict):
                raise UserError(f"file: cannot read {self.name!r}: line {number} holds no object")
            if SURROGATE in line.lower():
                _check_characters(row, self.name, number)
            yield row


class LineStream(TextStream):
    """Plain lines, a text each.

    Args:
        path: of the file; ``None`` for standard input.
    """

    kind = "lines"

    def __init__(self, path: Path | None) -> None:
        super().__init__(path)
        self.columns = [TEXT]
        if path is not None:
            self.start()

    @property
    def head(self) -> Dataset:
        """No rows: there is one column to choose."""
        return Dataset.from_dict({TEXT: ["" for _ in range(1)]})

    def scan(self, column: str) -> None:
        """Count the lines."""
        if self.path is not None:
            self.total = sum(1 for _ in self.open())

    def windows(self, size: int, skip: int = 0) -> Iterator[Window]:
        """Tables of one column."""
        lines = itertools.islice(self.open(), skip, None)
        while window := list(itertools.islice(lines, size)):
            try:
                texts = [line.rstrip(b"\r\n").decode() for line in window]
            except UnicodeDecodeError as error:
                raise UserError(f"file: {self.name} is not in UTF-8 ({error})") from error
            yield pa.table({TEXT: pa.array(texts, pa.string())})

    def schema(self) -> pa.Schema:
        """One column of strings."""
        return pa.schema([(TEXT, pa.string())])


def _keys(rows: Sequence[dict[str, Any]]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row))


def _check_characters(row: dict[str, Any], name: str, line: int) -> None:
    try:
        json.dumps(row, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        half = ascii(error.object[error.start])
        raise UserError(f"file: cannot read {name!r}: line {line} has half of a character, {half}") from error


def _check_rows(rows: Sequence[dict[str, Any]], name: str) -> None:
    if len(rows) == 1 and rows[0] and all(isinstance(value, dict | list) for value in rows[0].values()):
        raise UserError(
            f"file: {name!r} is one object with the keys {list(rows[0])}; expected an object for each row, one a line "
            "or in an array"
        )


def _values(rows: Sequence[dict[str, Any]], name: str) -> pa.Array:
    """A column of objects; of values of several kinds their JSON."""
    values = [row.get(name) for row in rows]
    try:
        return pa.array(values)
    except (pa.ArrowException, OverflowError):
        return pa.array([value if isinstance(value, str | None) else json.dumps(value) for value in values])

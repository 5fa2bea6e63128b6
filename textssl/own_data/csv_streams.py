"""Rows of CSV and TSV in windows: every cell is a string, so that it can be written as it was."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
from datasets import Dataset

from ..data.binary_kinds import check_names
from ..data.table_files import NOTHING
from ..data.tables import table_to_dataset
from ..data.text_files import (
    bad_csv_line,
    delimiter_of,
    header_of,
    utf8_content,
    warn_of_guessed_format,
)
from ..errors import UserError
from ..notices import warn_once
from .header import without_header
from .streams import HEAD_ROWS, Window, in_windows, named_file, readable
from .text_streams import TextStream


__all__ = ["CsvStream"]

USUAL = {"csv": ",", "tsv": "\t"}
TEXT = "text"
# What is parsed at once, and the longest row.
BLOCK_BYTES = 1 << 24
# Numbers that JSON and Parquet write as they stand in a cell.
WHOLE = r"^(0|-?[1-9][0-9]{0,17})?$"

logger = logging.getLogger(__name__)


class CsvStream(TextStream):
    """CSV and TSV. Every cell is a string, so that it can be written as it was.

    Args:
        path: of the file; ``None`` for standard input.
        kind: ``"csv"`` or ``"tsv"``.
        text_column: of texts, where a person named it.
    """

    def __init__(self, path: Path | None, kind: str, text_column: str | None) -> None:
        super().__init__(path)
        self.kind = kind
        start, encoding = self.start()
        self._delimiter = delimiter_of(start, text_column or TEXT, USUAL[kind])
        if path is not None:
            warn_of_guessed_format(path, encoding, self._delimiter, USUAL[kind], start)
        self._header = header_of(start, self._delimiter)
        self.columns, self._headless = _names(self._header, self.name), False
        self._reader: Iterator[pa.Table] | None = None if path is not None else self._tables()
        self._first = [] if self._reader is None else list(itertools.islice(self._reader, 1))
        whole = None if text_column is not None else without_header(self.head)
        if whole is not None:
            self.columns, self._headless = whole.column_names, True
            names = " and ".join(map(repr, self.columns))
            self.notes = (
                f"{self.name}: the first line is taken as a row, not as a header; the columns are called {names}",
            )
        self._numbers: set[str] = set()

    @property
    def head(self) -> Dataset:
        """The first rows."""
        with readable(self.name):
            return table_to_dataset(self._head.rename_columns(self.columns))

    @cached_property
    def _head(self) -> pa.Table:
        first = next(in_windows(self._tables() if self._reader is None else self._first, HEAD_ROWS), None)
        # What a block holds beside the first rows is not kept.
        empty = pa.schema([(name, pa.string()) for name in self._header]).empty_table()
        return empty if first is None else first.take(list(range(len(first))))

    def scan(self, column: str) -> None:
        """Read all rows once; columns of whole numbers are told for JSON and Parquet."""
        if self.path is None:
            return
        total, numbers = 0, {name for name in self.columns if name != column}
        filled: set[str] = set()
        for table in self._with_first_line():
            total += len(table)
            numbers = {name for name in numbers if pc.all(_is_whole(table.column(name))).as_py() is not False}
            filled |= {name for name in numbers - filled if pc.any(pc.not_equal(table.column(name), "")).as_py()}
        self.total, self._numbers = total, numbers & filled

    def windows(self, size: int, skip: int = 0) -> Iterator[Window]:
        """Tables of strings."""
        with readable(self.name):
            yield from in_windows(self._with_first_line(), size, skip)

    def schema(self) -> pa.Schema:
        """Strings, and int64 where every cell is a whole number as a program writes it, or empty."""
        return pa.schema([(name, pa.int64() if name in self._numbers else pa.string()) for name in self.columns])

    def _with_first_line(self) -> Iterator[pa.Table]:
        if self._headless:
            yield pa.table({name: [value] for name, value in zip(self.columns, self._header, strict=True)})
        tables = self._tables() if self._reader is None else itertools.chain(self._first, self._reader)
        for table in tables:
            yield table.rename_columns(self.columns)

    def _tables(self) -> Iterator[pa.Table]:
        done = 0
        try:
            for table in self._parsed():
                done += len(table)
                yield table
        except pa.ArrowInvalid as error:
            where = self._where(error)
            if self.path is None or len(self._header) != 1 or "Expected 1 columns" not in where:
                raise UserError(f"file: cannot read {self.name!r}: {where}") from error
            warn_once(logger, f"{self.name}: it has one column; each line is a text, with all delimiters in it")
            self._delimiter = NOTHING
            yield from in_windows(self._parsed(), HEAD_ROWS, done)

    def _parsed(self) -> Iterator[pa.Table]:
        try:
            reader = pa_csv.open_csv(
                self.open(),
                read_options=pa_csv.ReadOptions(block_size=BLOCK_BYTES),
                parse_options=pa_csv.ParseOptions(delimiter=self._delimiter, newlines_in_values=True),
                convert_options=pa_csv.ConvertOptions(column_types={name: pa.string() for name in self._header}),
            )
        except pa.ArrowInvalid as error:
            if "Empty CSV file" in str(error):
                return
            raise
        with reader:
            yield from (pa.Table.from_batches([batch]) for batch in reader)

    def _where(self, error: Exception) -> str:
        where = None if self.path is None else bad_csv_line(utf8_content(self.path)[0], self._delimiter)
        return where or " ".join(str(error).split())


def _names(header: list[str], file: str) -> list[str]:
    with named_file():
        check_names(file, header)
    names = [name.strip() for name in header]
    if not names:
        raise UserError(f"file: {file!r} holds no rows")
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise UserError(f"file: {file!r} has more than one column named {twice[0]!r}")
    return names


def _is_whole(cells: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.match_substring_regex(cells, WHOLE)

"""Rows of any size from files, folders and standard input: in windows, so that memory does not grow with them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq
from datasets import Dataset, Features

from ..data.tables import table_to_dataset
from ..errors import UserError
from ..files import sha256_of


__all__ = ["HEAD_ROWS", "ArrowStream", "RowStream", "Window", "in_windows", "named_file", "readable"]

# Rows by which columns are told.
HEAD_ROWS = 1000
# Some rows as they were read: of JSON as objects, so that each keeps what it has.
Window: TypeAlias = pa.Table | list[dict[str, Any]]


class RowStream:
    """Rows to be read in order, as often as wanted.

    Attributes:
        name: for a person.
        kind: ``"csv"``, ``"tsv"``, ``"jsonl"``, ``"lines"`` or ``"parquet"``: how they would be written again.
        columns: names of all columns.
        total: number of rows; ``None`` where nobody knows before the end.
        folder: that paths in the rows are relative to.
        notes: what was chosen for a person, in words.
    """

    name: str
    kind: str
    columns: list[str]
    total: int | None = None
    folder: Path = Path()
    notes: tuple[str, ...] = ()

    @property
    def head(self) -> Dataset:
        """The first rows."""
        raise NotImplementedError

    @property
    def fingerprint(self) -> str | None:
        """What tells these rows from others; ``None`` where they can be read only once."""
        raise NotImplementedError

    def scan(self, column: str) -> None:
        """Read all rows once, and count them.

        Args:
            column: whose values are to be texts or missing.

        Raises:
            UserError: a row that cannot be read, with its line.
        """

    def windows(self, size: int, skip: int = 0) -> Iterator[Window]:
        """The rows after the first ``skip``, ``size`` at a time."""
        raise NotImplementedError

    def schema(self) -> pa.Schema:
        """Types of all columns, such as a Parquet file has."""
        raise NotImplementedError


class ArrowStream(RowStream):
    """Rows of a Parquet file, or of a data set on the disk or in memory.

    Args:
        source: the file, or the data set.
        name: for a person.
        identity: what tells the rows from others.
        hidden: a column that is read, but is no part of the rows.
    """

    kind = "parquet"

    def __init__(self, source: Path | Dataset, name: str, identity: str, hidden: str | None = None) -> None:
        self.name, self._source, self._identity, self._hidden = name, source, identity, hidden
        if isinstance(source, Path):
            self.folder = source.absolute().parent
            self._schema, self.total = _parquet_facts(source)
        else:
            self._schema, self.total = source.features.arrow_schema, len(source)
        self.columns = [column for column in self._schema.names if column != hidden]
        names = self._schema.names
        if twice := sorted({column for column in names if names.count(column) > 1}):
            raise UserError(f"{name}: it has more than one column named {twice[0]!r}")

    @property
    def head(self) -> Dataset:
        """The first rows, with the column that is hidden."""
        with readable(self.name):
            return table_to_dataset(self._head)

    @cached_property
    def _head(self) -> pa.Table:
        return next(in_windows(self._tables(HEAD_ROWS), HEAD_ROWS), self._schema.empty_table())

    @property
    def fingerprint(self) -> str:
        """Of the file, or of the data set."""
        return sha256_of(self._source) if isinstance(self._source, Path) else self._identity

    def windows(self, size: int, skip: int = 0) -> Iterator[Window]:
        """Tables with the types that were stored."""
        with readable(self.name):
            yield from in_windows(self._tables(size), size, skip)

    def schema(self) -> pa.Schema:
        """As stored; types of ``datasets`` are in its metadata."""
        return pa.schema([self._schema.field(name) for name in self.columns], _kept(self._schema, self._hidden))

    def _tables(self, size: int) -> Iterator[pa.Table]:
        if isinstance(self._source, Path):
            try:
                for batch in pq.ParquetFile(self._source).iter_batches(size):
                    yield pa.Table.from_batches([batch], self._schema)
            except (pa.ArrowException, OSError) as error:
                raise _unreadable(self._source, error) from error
            return
        for table in self._source.with_format("arrow").iter(size):
            yield table.cast(self._schema)


def _kept(schema: pa.Schema, hidden: str | None) -> dict[bytes, bytes] | None:
    if hidden is None:
        metadata: dict[bytes, bytes] | None = schema.metadata
        return metadata
    features = {name: feature for name, feature in Features.from_arrow_schema(schema).items() if name != hidden}
    own: dict[bytes, bytes] | None = Features(features).arrow_schema.metadata
    return own


def _parquet_facts(path: Path) -> tuple[pa.Schema, int]:
    try:
        file = pq.ParquetFile(path)
        return file.schema_arrow, file.metadata.num_rows
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> UserError:
    return UserError(f"file: cannot read {str(path)!r}: {' '.join(str(error).split())}")


def in_windows(tables: Iterable[pa.Table], size: int, skip: int = 0) -> Iterator[pa.Table]:
    """Tables of ``size`` rows from tables of any number, without the first ``skip`` rows."""
    held: list[pa.Table] = []
    count = 0
    for part in tables:
        table = part
        if skip:
            gone = min(skip, len(table))
            table, skip = table.slice(gone), skip - gone
        while len(table):
            taken = table.slice(0, size - count)
            held.append(taken)
            count += len(taken)
            table = table.slice(len(taken))
            if count == size:
                yield pa.concat_tables(held)
                held, count = [], 0
    if count:
        yield pa.concat_tables(held)


@contextmanager
def named_file() -> Iterator[None]:
    """Messages call it the file that a person named."""
    try:
        yield
    except UserError as error:
        raise UserError(f"file: {str(error).removeprefix('path: ')}") from error


@contextmanager
def readable(name: str) -> Iterator[None]:
    """What Arrow says of rows that it cannot read is one line with the file."""
    try:
        yield
    except UserError:
        raise
    except (pa.ArrowException, ValueError, OverflowError) as error:
        raise UserError(f"file: cannot read {name!r}: {' '.join(str(error).split())[:300]}") from error

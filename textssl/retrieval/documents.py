"""The texts that a bank is made of, read a few at a time from files of any size."""

from __future__ import annotations

import os
from codecs import BOM_UTF8
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TypeAlias

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.json as pa_json
import pyarrow.parquet as pq
from datasets import Dataset, load_from_disk

from ..data.columns import check_column
from ..data.files import content_checksum
from ..data.table_files import BLOCK_BYTES
from ..data.tables import read_table
from ..data.text_files import delimiter_of, suffix_of
from ..errors import UserError
from ..files import sha256_of


__all__ = ["SUFFIXES", "Documents", "TextSource", "as_documents"]

HEAD_BYTES = 1 << 16
SUFFIXES = (".txt", ".csv", ".tsv", ".jsonl", ".parquet")

TextSource: TypeAlias = str | os.PathLike[str] | Dataset


@dataclass(frozen=True)
class Documents:
    """One source of texts: a file, or a data set.

    Args:
        name: what a neighbour is traced to.
        source: a file that ends in one of ``SUFFIXES``, or a data set. Each line of a ``.txt`` is a document, else
            each row.
        column: of the texts, where there are columns.
    """

    name: str
    source: Path | Dataset
    column: str

    def checksum(self) -> str:
        """SHA-256 of the file, or of the column of texts."""
        if isinstance(self.source, Dataset):
            return content_checksum(self.source, [self.column])
        return sha256_of(self.source)

    def batches(self, size: int) -> Iterator[list[str]]:
        """Texts in their order, at most ``size`` at a time; always the same batches. A missing text is an empty one.

        Raises:
            UserError: the file cannot be read, or has no such column of strings.
        """
        if isinstance(self.source, Dataset):
            rows = self.source.select_columns([self.column]).with_format("arrow")
            tables: Iterator[pa.Table] = iter(rows.iter(batch_size=size))
            yield from (_strings(table.column(self.column)) for table in tables)
        elif self.source.suffix == ".txt":
            yield from self._lines(self.source, size)
        else:
            yield from self._cells(self.source, size)

    def _lines(self, path: Path, size: int) -> Iterator[list[str]]:
        with path.open("rb") as file:
            first = 0
            while lines := list(islice(file, size)):
                try:
                    # Bytes, and not text mode: a wrong byte has a line, and no other mark ends one.
                    yield [line.decode().rstrip("\r\n").removeprefix("\ufeff") for line in lines]
                except UnicodeDecodeError as error:
                    raise UserError(f"sources: {str(path)!r} is no UTF-8 near line {first + 1} ({error})") from error
                first += len(lines)

    def _cells(self, path: Path, size: int) -> Iterator[list[str]]:
        try:
            for batch in _record_batches(path, self.column):
                column = _text_column(batch, self.column, path)
                for start in range(0, len(column), size):
                    yield _strings(column.slice(start, size))
        except (pa.ArrowException, OSError) as error:
            reason = " ".join(str(error).split())[:200]
            raise UserError(f"sources: cannot read {str(path)!r}: {reason}") from error


def as_documents(source: TextSource, name: str | None, column: str) -> Documents:
    """Check a source, as far as that goes without reading it.

    Args:
        source: a file, a folder of ``Dataset.save_to_disk``, or a data set.
        name: by default that of the file, or the checksum of the data set.
        column: of the texts.

    Raises:
        UserError: no such file, one of an unknown kind, or no such column of strings.
    """
    if isinstance(source, Dataset):
        check_column(source, column, f"sources: {name or 'data set'}", "text_column")
        if (kind := getattr(source.features[column], "dtype", "list")) not in ("string", "large_string"):
            raise UserError(f"sources: column {column!r} of {name or 'the data set'} holds {kind}, not strings")
        return Documents(name or f"dataset-{content_checksum(source, [column])[:12]}", source, column)
    path = Path(source)
    if path.is_dir():
        return as_documents(_saved(path), name or path.name, column)
    if not path.is_file():
        raise UserError(f"sources: no such file: {str(path)!r}")
    if suffix_of(path) not in (*SUFFIXES, ".json"):
        raise UserError(
            f"sources: {str(path)!r} ends in {path.suffix!r}; allowed are {', '.join(SUFFIXES)}, .json, those of text "
            "also with .gz, and a folder of Dataset.save_to_disk"
        )
    if path.suffix in SUFFIXES and (path.suffix not in (".csv", ".tsv") or _is_usual(path, column)):
        return Documents(name or path.name, path, column)
    try:
        return as_documents(read_table(path, column), name or path.name, column)
    except UserError as error:
        raise UserError(f"sources: {str(error).removeprefix('path: ').removeprefix('sources: ')}") from error


def _is_usual(path: Path, column: str) -> bool:
    """Whether a CSV or TSV file can be read in pieces: in UTF-8, and with the delimiter that its suffix says."""
    usual = "\t" if path.suffix == ".tsv" else ","
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    try:
        # A letter of several bytes may be cut at the end.
        head[: head.rfind(b"\n") + 1].decode()
    except UnicodeDecodeError:
        return False
    return not head.startswith(BOM_UTF8) and delimiter_of(head, column, usual) == usual


def _saved(path: Path) -> Dataset:
    try:
        dataset = load_from_disk(str(path))
    except (OSError, ValueError, pa.ArrowException) as error:
        raise UserError(f"sources: the folder {str(path)!r} holds no data set of Dataset.save_to_disk") from error
    if not isinstance(dataset, Dataset):
        raise UserError(f"sources: {str(path)!r} holds several splits {sorted(dataset)}; name one")
    return dataset.with_format(None)


def _record_batches(path: Path, column: str) -> Iterator[pa.RecordBatch]:
    # A file without a byte is none that Arrow reads, and one without a document for us.
    if path.stat().st_size == 0:
        return iter(())
    if path.suffix == ".parquet":
        file = pq.ParquetFile(path)
        return file.iter_batches(columns=[column] if column in file.schema_arrow.names else None)
    if path.suffix == ".jsonl":
        return iter(pa_json.open_json(path, read_options=pa_json.ReadOptions(block_size=BLOCK_BYTES)))
    reader = pa_csv.open_csv(
        path,
        read_options=pa_csv.ReadOptions(block_size=BLOCK_BYTES),
        parse_options=pa_csv.ParseOptions(delimiter="\t" if path.suffix == ".tsv" else ",", newlines_in_values=True),
        convert_options=pa_csv.ConvertOptions(column_types={column: pa.string()}),
    )
    return iter(reader)


def _text_column(batch: pa.RecordBatch, column: str, path: Path) -> pa.Array:
    if column not in batch.schema.names:
        raise UserError(f"sources: {str(path)!r} has no column {column!r}; its columns are {batch.schema.names}")
    values = batch.column(column)
    if not (pa.types.is_string(values.type) or pa.types.is_large_string(values.type)):
        raise UserError(f"sources: column {column!r} of {str(path)!r} holds {values.type}, not strings")
    return values


def _strings(values: pa.Array | pa.ChunkedArray) -> list[str]:
    return [text or "" for text in values.to_pylist()]

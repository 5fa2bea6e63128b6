"""Tables as files that a person opens: CSV, TSV, JSON lines or Parquet, by the name of the file."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from datasets import ClassLabel, Dataset, Features, Image, Value

from ..errors import UserError
from ..files import atomic_path
from .text_files import suffix_of


__all__ = ["WRITTEN_SUFFIXES", "check_written_suffix", "write_table"]

WRITTEN_SUFFIXES = (".csv", ".tsv", ".jsonl", ".parquet")
BATCH_ROWS = 8192


def check_written_suffix(path: Path, argument: str = "output") -> None:
    """Raise UserError unless :func:`write_table` writes a file of this name."""
    suffix = suffix_of(path)
    if suffix not in WRITTEN_SUFFIXES or (suffix == ".parquet" and path.suffix.lower() == ".gz"):
        raise UserError(
            f"{argument}: got {str(path)!r}; expected a file that ends in {', '.join(WRITTEN_SUFFIXES)}, those of "
            "text also with .gz"
        )


def write_table(dataset: Dataset, path: Path) -> None:
    """Write a data set as one file, which appears whole or not at all.

    Classes are written by their names. In CSV and TSV a list is written as JSON; of an image, which only Parquet can
    hold, its path.

    Args:
        dataset: any number of rows.
        path: ends in one of ``WRITTEN_SUFFIXES``; of text also packed, as ``.csv.gz``.

    Raises:
        UserError: another suffix.
        OSError: the file cannot be written.
    """
    check_written_suffix(path)
    suffix = suffix_of(path)
    with atomic_path(path) as temporary:
        if suffix == ".parquet":
            _write_parquet(dataset, temporary)
            return
        with _text_file(temporary, packed=path.suffix.lower() == ".gz") as file:
            if suffix == ".jsonl":
                for row in _rows(dataset):
                    file.write(json.dumps(row, ensure_ascii=False, default=str) + "\n")
            else:
                _write_delimited(dataset, file, "\t" if suffix == ".tsv" else ",")


def _write_parquet(dataset: Dataset, path: Path) -> None:
    features = _with_strings(dataset.features)
    schema = features.arrow_schema
    with pq.ParquetWriter(path, schema) as writer:
        for batch in _batches(dataset):
            writer.write_table(batch.cast(schema))


def _write_delimited(dataset: Dataset, file: IO[str], delimiter: str) -> None:
    writer = csv.writer(file, delimiter=delimiter, lineterminator="\n")
    writer.writerow(dataset.column_names)
    for row in _rows(dataset):
        writer.writerow([_cell(value) for value in row.values()])


def _cell(value: Any) -> Any:
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False, default=str)
    return value


def _rows(dataset: Dataset) -> Iterator[dict[str, Any]]:
    images = [name for name, feature in dataset.features.items() if isinstance(feature, Image)]
    for batch in _batches(dataset):
        for number, field in enumerate(batch.schema):
            if pa.types.is_float32(field.type):
                # 0.9 and not 0.8999999761581421.
                batch = batch.set_column(number, field.name, batch.column(number).cast("string").cast("double"))
        for row in batch.to_pylist():
            for name in images:
                row[name] = (row[name] or {}).get("path")
            yield row


def _batches(dataset: Dataset) -> Iterator[pa.Table]:
    """The rows as Arrow, classes by their names."""
    classes = {
        name: pa.array([str(text) for text in feature.names], pa.string())
        for name, feature in dataset.features.items()
        if isinstance(feature, ClassLabel) and feature.names
    }
    for batch in dataset.with_format("arrow").iter(batch_size=BATCH_ROWS):
        for name, names in classes.items():
            ids = batch.column(name).combine_chunks()
            # A row without a label has -1.
            known = pc.if_else(pc.less(ids, 0), None, ids)
            batch = batch.set_column(batch.column_names.index(name), name, names.take(known))
        yield batch.replace_schema_metadata(None)


def _with_strings(features: Features) -> Features:
    return Features(
        {
            name: Value("string") if isinstance(feature, ClassLabel) and feature.names else feature
            for name, feature in features.items()
        }
    )


@contextmanager
def _text_file(path: Path, packed: bool) -> Iterator[IO[str]]:
    with path.open("wb") as raw:
        if not packed:
            with io.TextIOWrapper(raw, encoding="utf-8", newline="") as file:
                yield file
            return
        # Without name and time of the file, equal rows give equal bytes.
        with (
            gzip.GzipFile(filename="", fileobj=raw, mode="wb", mtime=0) as archive,
            io.TextIOWrapper(archive, encoding="utf-8", newline="") as file,
        ):
            yield file

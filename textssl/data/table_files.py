"""Files of tables as Arrow tables: CSV, TSV, JSON, JSON lines, Parquet, and lines of text."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.json as pa_json
import pyarrow.parquet as pq

from ..errors import UserError
from ..notices import warn_once
from .binary_kinds import check_names
from .text_files import (
    bad_csv_line,
    bad_json_line,
    delimiter_of,
    header_of,
    suffix_of,
    utf8_content,
    warn_of_guessed_format,
)


__all__ = ["NOTHING", "TABLE_SUFFIXES", "check_start", "read_table_file"]

TABLE_SUFFIXES = (".csv", ".tsv", ".jsonl", ".json", ".parquet", ".txt")
# A single text longer than a block cannot be parsed, and Arrow's own blocks are only 1 MiB.
BLOCK_BYTES = 1 << 26
# Stands between the columns of a file that has only one: no text has it.
NOTHING = "\x1f"
LINES = "text"

logger = logging.getLogger(__name__)


def read_table_file(path: Path, text_columns: Sequence[str] = (LINES,), as_text: bool = False) -> pa.Table:
    """Read a file into memory.

    Args:
        path: of one of ``TABLE_SUFFIXES``; those of text also with ``.gz``.
        text_columns: of CSV and TSV, columns that are texts even if numbers stand in them. The first one decides what
            stands between columns.
        as_text: of CSV and TSV, read all columns as texts: what is written again is then what was read, such as 007.

    Raises:
        UserError: a file of another kind, an empty or a broken one, with its line.
    """
    suffix = suffix_of(path)
    if suffix not in TABLE_SUFFIXES or (suffix == ".parquet" and path.suffix.lower() == ".gz"):
        ends = f"ends in {path.suffix.lower()!r}" if path.suffix else "has no suffix"
        raise UserError(
            f"path: {str(path)!r} {ends}; allowed are {', '.join(TABLE_SUFFIXES)}, those of text also with .gz, and a "
            "folder written by datasets.Dataset.save_to_disk"
        )
    if path.stat().st_size == 0:
        raise UserError(f"path: {str(path)!r} is empty")
    try:
        if suffix == ".parquet":
            return pq.read_table(path)
        if suffix in (".csv", ".tsv"):
            return _read_csv(path, text_columns, "\t" if suffix == ".tsv" else ",", as_text)
        return _read_lines(path, text_columns, as_text) if suffix == ".txt" else _read_json(path)
    except (pa.ArrowException, UnicodeDecodeError, json.JSONDecodeError, OSError) as error:
        raise UserError(f"path: cannot read {str(path)!r}: {_reason(error)}") from error


def _read_csv(path: Path, text_columns: Sequence[str], usual: str, as_text: bool) -> pa.Table:
    content, encoding = utf8_content(path)
    content = _checked(path, content)
    delimiter = delimiter_of(content, text_columns[0] if text_columns else LINES, usual)
    warn_of_guessed_format(path, encoding, delimiter, usual, content)
    header = header_of(content, delimiter)
    check_names(path, header)
    text_columns = [name.strip() for name in header] if as_text else text_columns
    try:
        table = _parsed(content, delimiter, header, text_columns)
    except pa.ArrowException as error:
        where = bad_csv_line(content, delimiter) or _reason(error)
        if len(header) != 1 or "Expected 1 columns" not in where:
            raise UserError(f"path: cannot read {str(path)!r}: {where}") from error
        warn_once(logger, f"{path}: it has one column; each line is a text, with all delimiters in it")
        table = _parsed(content, NOTHING, header, text_columns)
    names = [name.strip() for name in table.column_names]
    return table if names == table.column_names else table.rename_columns(names)


def _checked(path: Path, content: bytes) -> bytes:
    """The content with a line break at its end; a UserError of nothing but white space, or a page of the web."""
    if not content.strip():
        raise UserError(f"path: {str(path)!r} is empty")
    check_start(path, content[:200])
    return content if content.endswith((b"\n", b"\r")) else content + b"\n"


def check_start(path: Path, start: bytes) -> None:
    """Raise UserError where the first bytes of a file are those of a page of the web."""
    if start.lstrip().lower().startswith((b"<!doctype", b"<html", b"<?xml")):
        raise UserError(f"path: {str(path)!r} holds a page of HTML or XML, not a table")


def _parsed(content: bytes, delimiter: str, header: Sequence[str], text_columns: Sequence[str]) -> pa.Table:
    return pa_csv.read_csv(
        pa.BufferReader(content),
        read_options=pa_csv.ReadOptions(block_size=BLOCK_BYTES),
        parse_options=pa_csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
        convert_options=pa_csv.ConvertOptions(
            column_types={name: pa.string() for name in header if name.strip() in text_columns}
        ),
    )


def _read_json(path: Path) -> pa.Table:
    content, encoding = utf8_content(path)
    content = _checked(path, content)
    warn_of_guessed_format(path, encoding, None, None, content)
    if content[:64].lstrip().startswith(b"["):
        rows = json.loads(content)
        if not all(isinstance(row, dict) for row in rows):
            raise UserError(f"path: {str(path)!r} is an array of something else than objects")
        # from_pylist would take the columns of the first row for those of all.
        return pa.Table.from_struct_array(pa.array(rows, type=None if rows else pa.struct([])))
    try:
        table = pa_json.read_json(pa.BufferReader(content), read_options=pa_json.ReadOptions(block_size=BLOCK_BYTES))
    except pa.ArrowException as error:
        where = bad_json_line(content) or _reason(error)
        raise UserError(f"path: cannot read {str(path)!r}: {where}") from error
    if len(table) == 1 and all(pa.types.is_nested(kind) for kind in table.schema.types):
        raise UserError(
            f"path: {str(path)!r} is one object with the keys {table.column_names}; expected an object for each row, "
            "one a line or in an array"
        )
    return table


def _read_lines(path: Path, text_columns: Sequence[str], as_text: bool) -> pa.Table:
    """A text for each line that is not blank; a table with one of ``text_columns`` is read as CSV."""
    content, encoding = utf8_content(path)
    content = _checked(path, content)
    first = text_columns[0] if text_columns else LINES
    header = header_of(content, delimiter_of(content, first, ","))
    if len(header) > 1 and first in header:
        return _read_csv(path, text_columns, ",", as_text)
    warn_of_guessed_format(path, encoding, None, None, content)
    lines = [line.strip() for line in content.decode().splitlines()]
    return pa.table({LINES: [line for line in lines if line]})


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())

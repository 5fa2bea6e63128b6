"""In which line of its file a row stands."""

from __future__ import annotations

import csv
import io
import sys
from pathlib import Path

import numpy as np

from ..data.text_files import delimiter_of, suffix_of, utf8_content
from ..errors import UserError


__all__ = ["lines_of_rows"]


def lines_of_rows(path: Path, count: int, column: str) -> np.ndarray | None:
    """The line from 1 in which each row begins, int64 ``[N]``; ``None`` where the rows of a file have no lines.

    Args:
        path: any file or folder.
        count: N, the number of rows that were read.
        column: of the inputs, which tells the delimiter.
    """
    suffix = suffix_of(path) if path.is_file() else ""
    if suffix not in (".csv", ".tsv", ".jsonl"):
        return None
    try:
        content, _ = utf8_content(path)
    except UserError:
        return None
    if suffix == ".jsonl":
        lines = [number for number, line in enumerate(content.splitlines(), 1) if line.strip()]
        return np.array(lines) if len(lines) == count else None
    lines = _csv_lines(content, delimiter_of(content, column, "\t" if suffix == ".tsv" else ","))
    # A table without a header has as many rows as lines.
    lines = lines if len(lines) == count else lines[1:]
    return np.array(lines, np.int64) if len(lines) == count else None


def _csv_lines(content: bytes, delimiter: str) -> list[int]:
    csv.field_size_limit(sys.maxsize)
    rows = csv.reader(io.StringIO(content.decode(errors="replace"), newline=""), delimiter=delimiter)
    lines, begin = [], 1
    for row in rows:
        if row:
            lines.append(begin)
        begin = rows.line_num + 1
    return lines

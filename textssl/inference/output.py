"""How rows with their predictions are written: CSV, TSV, JSON lines, plain lines or Parquet, also compressed."""

from __future__ import annotations

import csv
import gzip
import io
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from datasets import ClassLabel, Features, Value

from ..data.text_files import suffix_of
from ..errors import UserError
from ..own_data.streams import RowStream, Window
from .columns import NewColumns
from .labeling import Labeled


__all__ = ["FORMATS", "OutputForm", "RowWriter", "output_form"]

FORMATS = ("lines", "csv", "tsv", "jsonl")
SUFFIXES = {".csv": "csv", ".tsv": "tsv", ".jsonl": "jsonl", ".txt": "lines", ".parquet": "parquet"}
DELIMITERS = {"csv": ",", "tsv": "\t", "lines": "\t"}
DIGITS = 6


@dataclass(frozen=True)
class OutputForm:
    """A form of output.

    Attributes:
        kind: ``"csv"``, ``"tsv"``, ``"jsonl"``, ``"lines"`` or ``"parquet"``.
        packed: whether it is compressed by gzip.
    """

    kind: str
    packed: bool = False


def output_form(out: str, form: str | None, rows: RowStream) -> OutputForm:
    """The form that a file's suffix says; of standard output that of ``form``, or of the rows.

    Raises:
        UserError: an unknown suffix or form.
    """
    if form is not None and form not in FORMATS:
        raise UserError(f"format: got {form!r}; allowed: {', '.join(FORMATS)}")
    if out == "-":
        return OutputForm(form or ("csv" if rows.kind == "parquet" else rows.kind))
    path = Path(out)
    kind, packed = SUFFIXES.get(suffix_of(path)), path.suffix.lower() == ".gz"
    if kind is None or (packed and kind == "parquet"):
        raise UserError(
            f"output: {out!r} ends in {path.suffix!r}; allowed are {', '.join(SUFFIXES)}, those of text also with "
            ".gz, and - for standard output"
        )
    return OutputForm(kind, packed)


class RowWriter:
    """Writes windows of rows, each by itself.

    Args:
        form: of the output.
        rows: where the rows come from.
        new: the new columns.
        label_names: of the classes.

    Attributes:
        left_out: columns of bytes, which text cannot hold.
    """

    def __init__(self, form: OutputForm, rows: RowStream, new: NewColumns, label_names: Sequence[str]) -> None:
        self.form, self._new, self._names = form, new, list(label_names)
        self.columns = list(rows.columns)
        own = rows.schema() if form.kind == "parquet" or rows.kind != "jsonl" else None
        self.left_out = [] if own is None or form.kind == "parquet" else [f.name for f in own if _has_bytes(f.type)]
        self._schema = own
        self._features = {} if own is None else Features.from_arrow_schema(own)

    @property
    def schema(self) -> pa.Schema:
        """Of a Parquet file."""
        assert self._schema is not None
        added = {self._new.label: Value("string")}
        added |= {name: Value("float64") for name in self._new.names[1:]}
        if b"huggingface" in (self._schema.metadata or {}):
            return Features({**self._features, **added}).arrow_schema
        fields = [pa.field(name, kind.pa_type) for name, kind in added.items()]
        return pa.schema([*self._schema, *fields], self._schema.metadata)

    def table(self, window: Window, labeled: Labeled) -> pa.Table:
        """Rows of a Parquet file."""
        assert self._schema is not None
        if isinstance(window, list):
            table = pa.Table.from_pylist(window, self._schema)
        else:
            table = pa.table([_typed(window.column(field.name), field.type) for field in self._schema], self._schema)
        for name, values in zip(self._new.names, self._values(labeled), strict=True):
            table = table.append_column(
                name, pa.array(values, pa.string() if name == self._new.label else pa.float64())
            )
        return table.cast(self.schema)

    def content(self, window: Window, labeled: Labeled, first: bool) -> bytes:
        """Rows of a file of text, after the names of the columns if these are the first."""
        made = [[_rounded(value) for value in values] for values in self._values(labeled)]
        text = self._json(window, made) if self.form.kind == "jsonl" else self._lines(window, made, first)
        content = text.encode(errors="surrogatepass")
        # A file of several archives is one archive; without the time it is a function of the rows.
        return gzip.compress(content, mtime=0) if self.form.packed else content

    def _values(self, labeled: Labeled) -> list[list[Any]]:
        numbers = [labeled.confidence, *(labeled.probs.T if self._new.probabilities else ())]
        return [
            labeled.labels(self._names),
            *([None if math.isnan(p) else p for p in part.tolist()] for part in numbers),
        ]

    def _json(self, window: Window, made: list[list[Any]]) -> str:
        if isinstance(window, list):
            self._check_keys(window, [*self._new.names])
            rows = window
        else:
            kept = [name for name in self.columns if name not in self.left_out]
            parts = [self._plain(window, name) for name in kept]
            rows = [dict(zip(kept, values, strict=True)) for values in zip(*parts, strict=True)] or [{}] * len(window)
        added = [dict(zip(self._new.names, values, strict=True)) for values in zip(*made, strict=True)]
        lines = [json.dumps(row | more, ensure_ascii=False) for row, more in zip(rows, added, strict=True)]
        return "".join(f"{line}\n" for line in lines)

    def _lines(self, window: Window, made: list[list[Any]], first: bool) -> str:
        names: list[str] = []
        parts: list[list[Any]] = []
        if self.form.kind != "lines":
            names = [name for name in self.columns if name not in self.left_out]
            parts = [self._plain(window, name) for name in names]
            if isinstance(window, list):
                self._check_keys(window, [key for row in window for key in row if key not in self.columns])
        file = io.StringIO()
        writer = csv.writer(file, delimiter=DELIMITERS[self.form.kind], lineterminator="\n")
        if first and self.form.kind != "lines":
            writer.writerow([*names, *self._new.names])
        writer.writerows([_cell(value) for value in row] for row in zip(*parts, *made, strict=True))
        return file.getvalue()

    def _check_keys(self, window: list[dict[str, Any]], keys: Sequence[str]) -> None:
        """Of standard input nobody knows what later rows have."""
        for key in keys:
            if any(key in row for row in window):
                raise UserError(
                    f"file: a row has {key!r}, which the first one has not; save all rows to a file, and name that"
                )

    def _plain(self, window: Window, name: str) -> list[Any]:
        """A column as JSON can hold it; classes by their names."""
        if isinstance(window, list):
            if strange := {key for row in window for key in row} - {*self.columns}:
                raise UserError(
                    f"file: a row has {min(strange)!r}, which rows before did not have; write jsonl instead"
                )
            return [row.get(name) for row in window]
        column = window.column(name)
        feature = self._features.get(name)
        if isinstance(feature, ClassLabel) and feature.names:
            own = feature.names
            return [None if value is None or value < 0 else own[value] for value in column.to_pylist()]
        if self.form.kind == "jsonl" and self._schema is not None:
            column = _typed(column, self._schema.field(name).type)
        return [_jsonable(value) for value in column.to_pylist()]


def _has_bytes(kind: pa.DataType) -> bool:
    if pa.types.is_struct(kind):
        return any(_has_bytes(field.type) for field in kind)
    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind)


def _typed(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    """Cells that are whole numbers as numbers; an empty one is null."""
    if column.type == kind:
        return column
    if pa.types.is_string(column.type) and pa.types.is_integer(kind):
        column = pc.if_else(pc.equal(column, ""), pa.scalar(None, column.type), column)
    return column.cast(kind)


def _rounded(value: Any) -> Any:
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value


def _jsonable(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _jsonable(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_jsonable(one) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, str | int | float | bool | None):
        return value
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _cell(value: Any) -> Any:
    if value is None:
        return ""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value

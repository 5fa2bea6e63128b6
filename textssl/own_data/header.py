"""Tables whose first line is a row, not the names of columns."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from datasets import Dataset

from ..data.columns import is_string
from ..data.tables import table_to_dataset


__all__ = ["without_header"]

# A column is not called by this many words.
WORDS = 4
NAMES = ("text", "label")


def without_header(dataset: Dataset) -> Dataset | None:
    """The table with its header as the first row, columns named ``text`` and ``label``; ``None`` if it has a header.

    A header is missing where the name of one of two columns is one of its values, as of labels, or where the name of a
    column of texts is a sentence.

    Args:
        dataset: one or two columns of a CSV file.
    """
    table = dataset.data.table
    names = table.column_names
    if not 1 <= len(names) <= len(NAMES) or not len(table):
        return None
    strings = [column for column, name in enumerate(names) if is_string(table.schema.field(name).type)]
    sentences = [column for column in strings if len(names[column].split()) >= WORDS]
    if len(names) == 1:
        return _named(table, NAMES[:1]) if sentences else None
    labels = [column for column in (0, 1) if _is_value(table.column(column), names[column])]
    if len(labels) != 1:
        return None
    return _named(table, NAMES if labels == [1] else NAMES[::-1])


def _is_value(values: pa.ChunkedArray, name: str) -> bool:
    own = _parsed(name, values.type)
    return own is not None and bool(pc.any(pc.equal(values, pa.scalar(own, values.type))).as_py())


def _parsed(name: str, kind: pa.DataType) -> Any:
    if is_string(kind):
        return name
    if pa.types.is_integer(kind) and name.strip().lstrip("-").isdecimal():
        return int(name)
    return None


def _named(table: pa.Table, names: tuple[str, ...]) -> Dataset | None:
    first = []
    for column, name in enumerate(table.column_names):
        kind = table.schema.field(column).type
        value = _parsed(name, kind)
        if value is None:
            return None
        first.append(pa.array([value], kind))
    rows = table.rename_columns(list(names)).replace_schema_metadata(None)
    return table_to_dataset(pa.concat_tables([pa.table(first, names=list(names)).cast(rows.schema), rows]))

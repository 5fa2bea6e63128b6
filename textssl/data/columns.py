"""Columns of a data set, read as Arrow: that they are there, in pieces, and labels as integers or strings."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pyarrow as pa
import pyarrow.compute as pc
from datasets import Dataset

from ..errors import UserError


__all__ = ["check_column", "column_batches", "is_string", "label_column_of"]

BATCH_ROWS = 65_536
SPOKEN_KINDS: dict[str, Callable[[pa.DataType], bool]] = {
    "fractions": lambda kind: pa.types.is_floating(kind) or pa.types.is_decimal(kind),
    "dates": pa.types.is_date,
    "dates with times": pa.types.is_timestamp,
    "times of day": pa.types.is_time,
    "durations": pa.types.is_duration,
    "objects": lambda kind: pa.types.is_struct(kind) or pa.types.is_map(kind),
    "lists": pa.types.is_nested,
    "bytes": lambda kind: pa.types.is_binary(kind) or pa.types.is_large_binary(kind),
}


def check_column(dataset: Dataset, column: str, argument: str, name: str) -> None:
    """Check that a data set, which messages call `argument`, has the column that `name` asks for.

    Raises:
        UserError: No such column.
    """
    if column not in dataset.column_names:
        raise UserError(f"{argument}: no column {column!r} ({name}); its columns are {dataset.column_names}")


def column_batches(dataset: Dataset, column: str) -> Iterator[tuple[int, pa.ChunkedArray]]:
    """Parts of a column, each with its first row; a large selection is never copied whole."""
    rows = dataset.select_columns([column]).with_format("arrow")
    for number, batch in enumerate(rows.iter(batch_size=BATCH_ROWS)):
        yield number * BATCH_ROWS, batch.column(column)


def label_column_of(dataset: Dataset, label_column: str, argument: str) -> pa.ChunkedArray:
    """The labels [N] as an Arrow column of int64 or string, without nulls.

    White space around strings is no part of a label.

    Args:
        dataset: The data set.
        label_column: The column of labels.
        argument: What the messages call the data set.

    Returns:
        int64 for integers, whole floats and `ClassLabel`; string for strings, and `"False"` and `"True"` for
        booleans.

    Raises:
        UserError: No such column; several values a row; or a label that is missing, empty, or neither integer nor
            string.
    """
    check_column(dataset, label_column, argument, "label_column")
    labels = dataset.data.column(label_column)
    if dataset._indices is not None:
        # Labels are small: taken at once, a selection of a million takes a fraction of what its parts take.
        labels = labels.take(dataset._indices.column(0))
    where = f"{argument}: column {label_column!r}"
    labels = _present_labels(labels, where)
    if is_string(labels.type):
        return labels.cast(pa.string())
    if pa.types.is_boolean(labels.type):
        return pc.if_else(labels, "True", "False")
    if pa.types.is_integer(labels.type):
        return labels.cast(pa.int64())
    if pa.types.is_floating(labels.type) and pc.all(pc.equal(labels, pc.floor(labels))).as_py():
        return labels.cast(pa.int64())
    kind = _spoken(labels.type)
    if pa.types.is_floating(labels.type) or pa.types.is_decimal(labels.type):
        raise UserError(
            f"{where} holds {kind}; labels are integers or strings: numbers to predict (regression) are not supported"
        )
    raise UserError(f"{where} holds {kind}; labels are integers or strings: write the name of a class in each row")


def _spoken(kind: pa.DataType) -> str:
    """A type of Arrow in words."""
    for words, is_kind in SPOKEN_KINDS.items():
        if is_kind(kind):
            return words
    return str(kind)


def _present_labels(labels: pa.ChunkedArray, where: str) -> pa.ChunkedArray:
    """Labels, strings without the space around them; a UserError where a row has none, or several."""
    if pa.types.is_nested(labels.type):
        raise UserError(
            f"{where} holds {_spoken(labels.type)}; labels are integers or strings, one label per example: "
            "multi-label classification and soft labels are not supported (a teacher's probabilities are for "
            "unlabeled examples: a column probabilities of unlabeled_dataset, "
            "for distillation, self_training or noisy_student)"
        )
    absent = pc.is_null(labels)
    if is_string(labels.type):
        labels = pc.utf8_trim_whitespace(labels)
        absent = pc.or_(absent, pc.equal(pc.fill_null(labels, ""), ""))
    count = pc.sum(absent).as_py()
    if count:
        row = pc.index(absent, True).as_py()
        raise UserError(f"{where} has no label in {count} of {len(labels)} rows; the first is row {row}")
    return labels


def is_string(kind: pa.DataType) -> bool:
    """Whether a column holds strings."""
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)

"""Checks of a person's data sets, made before anything long starts.

All of them look at Arrow columns, never at Python rows: a million good rows take well under a
second. One check of labels serves texts, images and whatever else has a check of its inputs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from datasets import ClassLabel, Dataset, DatasetDict, IterableDataset, IterableDatasetDict

from ..errors import UserError


__all__ = [
    "InputCheck",
    "check_column",
    "check_eval",
    "check_labeled",
    "check_texts",
    "check_unlabeled",
    "label_column_of",
]

BATCH_ROWS = 65_536

# (data set, its column of inputs, what messages call it) -> the rows to keep.
InputCheck = Callable[[Dataset, str, str], Dataset]


def check_column(dataset: Dataset, column: str, argument: str, name: str) -> None:
    """Check that a data set, which messages call `argument`, has the column that `name` asks for.

    Raises:
        UserError: No such column.
    """
    if column not in dataset.column_names:
        raise UserError(f"{argument}: no column {column!r} ({name}); its columns are {dataset.column_names}")


def check_texts(dataset: Dataset, column: str, argument: str) -> Dataset:
    """Check that a column exists and that each of its values is a string.

    Args:
        dataset: The data set.
        column: The column of texts.
        argument: What the messages call the data set.

    Returns:
        `dataset` itself.

    Raises:
        UserError: No such column, or a value that is missing or no string, with its row from 0.
    """
    check_column(dataset, column, argument, "text_column")
    stored = dataset.data.column(column)
    if len(stored) and stored.null_count == 0 and _is_string(stored.type):
        # Also the answer for a shuffled or selected data set, whose rows are slow to gather.
        return dataset
    nulls, first = 0, -1
    for start, values in _batches(dataset, column):
        if values.null_count:
            if not nulls:
                first = start + pc.index(pc.is_null(values), True).as_py()
            nulls += values.null_count
        elif not _is_string(values.type):
            shown = repr(values[0].as_py())
            shown = shown if len(shown) <= 60 else f"{shown[:60]}..."
            raise UserError(f"{argument}: column {column!r} holds {values.type}, not strings; row {start} is {shown}")
    if nulls:
        raise UserError(
            f"{argument}: column {column!r} has no text in {nulls} of {len(dataset)} rows; the first is row {first}"
        )
    return dataset


def check_labeled(
    dataset: Dataset,
    column: str,
    label_column: str,
    num_labels: int,
    label2id: Mapping[str, int] | None = None,
    *,
    argument: str = "train_dataset",
    check_inputs: InputCheck = check_texts,
) -> Dataset:
    """Check the labeled examples, and give their labels the model's ids.

    String labels, and the names of a `ClassLabel` that the model knows, go through `label2id`. A
    `ClassLabel` none of whose names the model knows (a fresh model has LABEL_0, LABEL_1, ...) keeps
    its ids, as integers do.

    Args:
        dataset: N > 0 rows.
        column: The column of inputs.
        label_column: The column of labels: strings, integers or a `ClassLabel`.
        num_labels: C, the number of classes of the model.
        label2id: The model's `config.label2id`; `None` if labels are ids already.
        argument: What the messages call the data set.
        check_inputs: What checks the column of inputs, by default as texts; labels are checked of
            the rows that it keeps.

    Returns:
        The rows that `check_inputs` keeps, whose labels are the integers 0 to C - 1; `dataset`
        itself if all were so before.

    Raises:
        UserError: Not a `datasets.Dataset`; no rows; no such column; an input that `check_inputs`
            refuses, such as a text that is missing or no string; a label that is missing, unknown
            or out of range; a class without an example.
    """
    ids, checked = _check(dataset, column, label_column, num_labels, label2id, argument, check_inputs)
    empty = np.flatnonzero(np.bincount(ids, minlength=num_labels) == 0)
    if len(empty):
        id2label = {i: name for name, i in (label2id or {}).items()}
        missing = ", ".join(f"{id2label.get(int(i), str(i))!r} (id {i})" for i in empty[:10])
        more = f" and {len(empty) - 10} more" if len(empty) > 10 else ""
        raise UserError(
            f"{argument}: no example of class {missing}{more}; each of the {num_labels} classes needs at least one"
        )
    return checked


def check_eval(
    dataset: Dataset,
    column: str,
    label_column: str,
    num_labels: int,
    label2id: Mapping[str, int] | None = None,
    *,
    argument: str = "eval_dataset",
    check_inputs: InputCheck = check_texts,
) -> Dataset:
    """Check the evaluation examples as `check_labeled` does, but a class may be absent.

    Returns:
        As `check_labeled`, which also describes the arguments.

    Raises:
        UserError: As in `check_labeled`; a label that training does not know is named.
    """
    return _check(dataset, column, label_column, num_labels, label2id, argument, check_inputs)[1]


def check_unlabeled(
    dataset: Dataset,
    column: str,
    *,
    argument: str = "unlabeled_dataset",
    check_inputs: InputCheck = check_texts,
) -> Dataset:
    """Check the unlabeled examples; any labels in them are neither needed nor looked at.

    Args:
        dataset: N > 0 rows.
        column: The column of inputs.
        argument: What the messages call the data set.
        check_inputs: What checks the column of inputs, by default as texts.

    Returns:
        The rows that `check_inputs` keeps; `dataset` itself if that is all.

    Raises:
        UserError: Not a `datasets.Dataset`; no rows; no such column; an input that `check_inputs`
            refuses, such as a text that is missing or no string (with the first row).
    """
    _check_rows(dataset, argument)
    return check_inputs(dataset, column, argument)


def label_column_of(dataset: Dataset, label_column: str, argument: str) -> pa.ChunkedArray:
    """The labels [N] as an Arrow column of int64 or string, without nulls.

    Args:
        dataset: The data set.
        label_column: The column of labels.
        argument: What the messages call the data set.

    Returns:
        int64 for integers, booleans' 0 and 1, whole floats and `ClassLabel`; string for strings.

    Raises:
        UserError: No such column, or a label that is missing, empty, or neither integer nor string.
    """
    check_column(dataset, label_column, argument, "label_column")
    parts = [values for _, values in _batches(dataset, label_column)]
    labels = pa.chunked_array([chunk for part in parts for chunk in part.chunks])
    absent = pc.is_null(labels)
    if _is_string(labels.type):
        absent = pc.or_(absent, pc.equal(pc.fill_null(labels, ""), ""))
    count = pc.sum(absent).as_py()
    if count:
        row = pc.index(absent, True).as_py()
        raise UserError(
            f"{argument}: column {label_column!r} has no label in {count} of {len(dataset)} rows; "
            f"the first is row {row}"
        )
    if _is_string(labels.type):
        return labels.cast(pa.string())
    if pa.types.is_integer(labels.type) or pa.types.is_boolean(labels.type):
        return labels.cast(pa.int64())
    if pa.types.is_floating(labels.type) and pc.all(pc.equal(labels, pc.floor(labels))).as_py():
        return labels.cast(pa.int64())
    raise UserError(f"{argument}: column {label_column!r} holds {labels.type}; labels are integers or strings")


def _check(
    dataset: Dataset,
    column: str,
    label_column: str,
    num_labels: int,
    label2id: Mapping[str, int] | None,
    argument: str,
    check_inputs: InputCheck,
) -> tuple[np.ndarray, Dataset]:
    """The label ids [N], and the data set that holds them."""
    _check_rows(dataset, argument)
    dataset = check_inputs(dataset, column, argument)
    labels = label_column_of(dataset, label_column, argument)
    known = dict(label2id or {})
    feature = dataset.features[label_column]
    if pa.types.is_string(labels.type):
        ids = _ids_of_names(labels, known, label_column, argument)
    else:
        ids = labels.to_numpy()
        names = feature.names if isinstance(feature, ClassLabel) else None
        if names and any(name in known for name in names):
            _check_range(ids, len(names), label_column, argument)
            named = pa.chunked_array([pa.array(names, pa.string()).take(pa.array(ids))])
            ids = _ids_of_names(named, known, label_column, argument)
    _check_range(ids, num_labels, label_column, argument, sorted(known, key=known.__getitem__))
    if pa.types.is_integer(_storage(feature)) and np.array_equal(ids, labels.to_numpy()):
        return ids, dataset
    order = dataset.column_names
    plain = dataset.remove_columns(label_column).add_column(label_column, pa.array(ids))
    return ids, plain.select_columns(order)


def _ids_of_names(names: pa.ChunkedArray, known: dict[str, int], column: str, argument: str) -> np.ndarray:
    order = sorted(known, key=known.__getitem__)
    if not order:
        raise UserError(f"{argument}: column {column!r} holds strings, and the model has no label2id")
    found = pc.index_in(names, value_set=pa.array(order, pa.string()))
    if found.null_count:
        row = pc.index(pc.is_null(found), True).as_py()
        raise UserError(
            f"{argument}: label {names[row].as_py()!r} in row {row} of column {column!r} "
            f"is not among the model's labels {order}"
        )
    return np.array([known[name] for name in order], np.int64)[found.to_numpy()]


def _check_range(ids: np.ndarray, num_labels: int, column: str, argument: str, names: list[str] | None = None) -> None:
    wrong = (ids < 0) | (ids >= num_labels)
    if wrong.any():
        row = int(np.argmax(wrong))
        hint = f" {names}" if names else ""
        if ids[row] == -1:
            hint += "; rows without a label belong in unlabeled_dataset"
        raise UserError(
            f"{argument}: label {ids[row]} in row {row} of column {column!r} "
            f"is outside the model's ids 0 to {num_labels - 1}{hint}"
        )


def _check_rows(dataset: Any, argument: str) -> None:
    if isinstance(dataset, DatasetDict | IterableDatasetDict):
        raise UserError(f"{argument}: a dict of data sets {sorted(dataset)}; pass one of them")
    if isinstance(dataset, IterableDataset):
        raise UserError(f"{argument}: an IterableDataset has no length; pass a datasets.Dataset")
    if not isinstance(dataset, Dataset):
        raise UserError(
            f"{argument}: expected a datasets.Dataset, got {type(dataset).__name__} "
            "(a list of dicts becomes one by datasets.Dataset.from_list)"
        )
    if len(dataset) == 0:
        raise UserError(f"{argument}: the data set is empty; it needs at least one row")


def _batches(dataset: Dataset, column: str) -> Iterator[tuple[int, pa.ChunkedArray]]:
    """Parts of a column, each with its first row; a large selection is never copied whole."""
    rows = dataset.select_columns([column]).with_format("arrow")
    for number, batch in enumerate(rows.iter(batch_size=BATCH_ROWS)):
        yield number * BATCH_ROWS, batch.column(column)


def _is_string(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


def _storage(feature: Any) -> pa.DataType:
    """The Arrow type behind a feature; a ClassLabel is an integer."""
    return feature() if callable(feature) else pa.null()

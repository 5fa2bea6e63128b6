"""Checks of a person's data sets, made before anything long starts.

All of them look at Arrow columns, never at Python rows: a million good rows take well under a
second. One check of labels serves texts, images and whatever else has a check of its inputs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from datasets import Dataset, DatasetDict, IterableDataset, IterableDatasetDict

from ..errors import UserError
from .class_names import label_ids
from .columns import check_column, column_batches, is_string, label_column_of


__all__ = [
    "InputCheck",
    "check_characters",
    "check_eval",
    "check_every_class",
    "check_labeled",
    "check_labels",
    "check_texts",
    "check_unlabeled",
]

# (data set, its column of inputs, what messages call it) -> the rows to keep.
InputCheck = Callable[[Dataset, str, str], Dataset]


def check_texts(dataset: Dataset, column: str, argument: str, name: str = "text_column") -> Dataset:
    """Check that a column exists and that each of its values is a string.

    Args:
        dataset: The data set.
        column: The column of texts.
        argument: What the messages call the data set.
        name: The setting that names the column.

    Returns:
        `dataset` itself.

    Raises:
        UserError: No such column, or a value that is missing or no string, with its row from 0.
    """
    check_column(dataset, column, argument, name)
    stored = dataset.data.column(column)
    if len(stored) and stored.null_count == 0 and is_string(stored.type):
        # Also the answer for a shuffled or selected data set, whose rows are slow to gather.
        return dataset
    nulls, first = 0, -1
    for start, values in column_batches(dataset, column):
        if values.null_count:
            if not nulls:
                first = start + pc.index(pc.is_null(values), True).as_py()
            nulls += values.null_count
        elif not is_string(values.type):
            shown = repr(values[0].as_py())
            shown = shown if len(shown) <= 60 else f"{shown[:60]}..."
            raise UserError(f"{argument}: column {column!r} holds {values.type}, not strings; row {start} is {shown}")
    if nulls:
        raise UserError(
            f"{argument}: column {column!r} has no text in {nulls} of {len(dataset)} rows; the first is row {first}"
        )
    return dataset


def check_characters(text: str, argument: str, row: int) -> None:
    """Check that a string is text: half of a surrogate pair is no character, and no file or tokenizer takes it.

    Raises:
        UserError: it holds one.
    """
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise UserError(
                f"{argument}: the text of row {row} holds {text[error.start]!r}, half of a character; leave it out, "
                "as by text.encode(errors='ignore').decode()"
            ) from error


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

    Labels with names, which are strings, booleans and a `ClassLabel`, go through `label2id`, whatever
    their order. Integers, and a `ClassLabel` where the model has no names (LABEL_0, LABEL_1, ...), keep
    their ids; see :func:`textssl.data.class_names.label_ids`.

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
    checked = check_unlabeled(dataset, column, argument=argument, check_inputs=check_inputs)
    return check_labels(checked, label_column, num_labels, label2id, argument=argument)


def check_labels(
    dataset: Dataset,
    label_column: str,
    num_labels: int,
    label2id: Mapping[str, int] | None = None,
    *,
    argument: str = "train_dataset",
) -> Dataset:
    """The part of `check_labeled` that is about labels, for a data set whose inputs were checked before.

    Returns:
        The same rows, whose labels are the integers 0 to C - 1.

    Raises:
        UserError: A label that is missing, unknown or out of range; a class without an example.
    """
    ids, checked = _with_ids(dataset, label_column, num_labels, label2id, argument)
    check_every_class(ids, num_labels, label2id, argument)
    return checked


def check_every_class(ids: np.ndarray, num_labels: int, label2id: Mapping[str, int] | None, argument: str) -> None:
    """Raise UserError where a class has no example.

    Args:
        ids: Labels [N], from 0 to C - 1.
        num_labels: C.
        label2id: Class numbers by name; `None` if classes have no names.
        argument: What the message calls the data set.
    """
    empty = np.flatnonzero(np.bincount(ids, minlength=num_labels) == 0)
    if len(empty):
        id2label = {i: name for name, i in (label2id or {}).items()}
        missing = ", ".join(f"{id2label.get(int(i), str(i))!r} (id {i})" for i in empty[:10])
        more = f" and {len(empty) - 10} more" if len(empty) > 10 else ""
        raise UserError(
            f"{argument}: no example of class {missing}{more}; each of the {num_labels} classes needs at least one"
        )


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
    checked = check_unlabeled(dataset, column, argument=argument, check_inputs=check_inputs)
    return _with_ids(checked, label_column, num_labels, label2id, argument)[1]


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


def _with_ids(
    dataset: Dataset, label_column: str, num_labels: int, label2id: Mapping[str, int] | None, argument: str
) -> tuple[np.ndarray, Dataset]:
    """The label ids [N], and the data set that holds them."""
    ids = label_ids(dataset, label_column, num_labels, label2id, argument)
    if pa.types.is_integer(_storage(dataset.features[label_column])):
        stored = label_column_of(dataset, label_column, argument).to_numpy()
        if np.array_equal(ids, stored):
            return ids, dataset
    order = dataset.column_names
    plain = dataset.remove_columns(label_column).add_column(label_column, pa.array(ids))
    return ids, plain.select_columns(order)


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


def _storage(feature: Any) -> pa.DataType:
    """The Arrow type behind a feature; a ClassLabel is an integer."""
    return feature() if callable(feature) else pa.null()

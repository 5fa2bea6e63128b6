"""Classes by their names: what data call them, what a model calls them, and which class of the model a label means.

A name decides wherever there is one. Data bring names by a `ClassLabel`, by strings or by booleans; integers bring
none and are the model's class numbers. A model has names if its `config.id2label` has others than LABEL_0, LABEL_1
and so on, which transformers gives to classes that nobody named.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from datasets import ClassLabel, Dataset

from ..errors import UserError
from .columns import label_column_of


__all__ = [
    "are_defaults",
    "check_classifier",
    "folded",
    "format_names",
    "ids_by_name",
    "label_ids",
    "label_names",
    "name_classes",
    "names_in",
    "own_names",
    "share_names",
]

SUPPORTED = "single_label_classification"
SHOWN = 10


def label_names(config: Any) -> list[str]:
    """Names of a model's classes, in order: LABEL_0, LABEL_1 and so on where nobody named them."""
    return [str(config.id2label[i]) for i in range(int(config.num_labels))]


def own_names(config: Any) -> list[str] | None:
    """Names of a model's classes, in order; `None` where nobody named them.

    Where only one of `id2label` and `label2id` was set, it counts.
    """
    names = label_names(config)
    if are_defaults(names):
        ids = dict(config.label2id or {})
        by_id = sorted(ids, key=ids.__getitem__)
        names = [str(name) for name in by_id] if sorted(ids.values()) == list(range(len(names))) else names
    return None if are_defaults(names) else names


def ids_by_name(config: Any) -> dict[str, int]:
    """Class numbers of a model by name, which is LABEL_0 and so on where nobody named them."""
    return {name: i for i, name in enumerate(own_names(config) or label_names(config))}


def check_classifier(config: Any, argument: str) -> None:
    """Raise UserError unless a model gives each example one of two or more classes.

    Args:
        config: Of the model.
        argument: What the message calls the model.
    """
    problem = getattr(config, "problem_type", None)
    if problem not in (None, SUPPORTED):
        raise UserError(
            f"{argument}: got problem_type {problem!r}; supported is {SUPPORTED!r}, one label per example. If the "
            "labels are of that kind, set model.config.problem_type to it"
        )
    if int(config.num_labels or 0) < 2:
        raise UserError(
            f"{argument}: got num_labels {config.num_labels}; expected at least 2 classes (regression is not "
            "supported)"
        )


def names_in(dataset: Dataset, label_column: str, argument: str) -> list[str] | None:
    """Names of the classes that a column of labels brings; `None` for integers.

    Args:
        dataset: N > 0 rows.
        label_column: The column of labels.
        argument: What the messages call the data set.

    Returns:
        Of a `ClassLabel` its names in order. Of strings and booleans the distinct values, sorted, which is the order
        of `Dataset.class_encode_column`.

    Raises:
        UserError: As in `label_column_of`.
    """
    labels = label_column_of(dataset, label_column, argument)
    feature = dataset.features[label_column]
    if isinstance(feature, ClassLabel) and feature.names:
        return [name.strip() for name in feature.names]
    return sorted(pc.unique(labels).to_pylist()) if pa.types.is_string(labels.type) else None


def name_classes(config: Any, dataset: Dataset, label_column: str, argument: str = "train_dataset") -> None:
    """Copy the class names of the labeled examples to a model that has none: in its `id2label` and `label2id`.

    A model with names keeps them. So does any model if the labels are integers, or named LABEL_0 and so on.

    Args:
        config: Of the model; it is changed.
        dataset: The labeled examples.
        label_column: The column of labels.
        argument: What the messages call the data set.

    Raises:
        UserError: More or fewer classes than the model has.
    """
    own, brought = own_names(config), names_in(dataset, label_column, argument)
    if own is not None:
        # Of the two tables only one may have been set.
        _write(config, own)
        return
    if brought is None or {*brought} <= {*label_names(config)}:
        return
    names, classes = brought, int(config.num_labels)
    if len(names) != classes and isinstance(dataset.features[label_column], ClassLabel):
        used = pc.unique(label_column_of(dataset, label_column, argument)).to_numpy()
        names = [brought[i] for i in sorted(used) if 0 <= i < len(brought)]
    if len(names) != classes or len({*names}) != classes:
        count = len({*brought})
        raise UserError(
            f"{argument}: column {label_column!r} has {count} class{'es' * (count != 1)} ({format_names(brought)}), "
            f"and the model {classes}; load it with num_labels={count}"
        )
    _write(config, names)


def share_names(argument: str, config: Any, others: Any) -> None:
    """Give a model that has no names of its own those of another, whose class numbers it is trained with.

    Args:
        argument: What the message calls the model.
        config: Of the model; it is changed.
        others: Config of the other model.

    Raises:
        UserError: It has other classes, or the same in another order; several labels per example.
    """
    check_classifier(config, argument)
    theirs, ours = label_names(config), label_names(others)
    if len(theirs) == len(ours) and own_names(config) is None and own_names(others) is not None:
        _write(config, ours)
    elif theirs != ours:
        raise UserError(f"{argument}: its labels are {', '.join(theirs)}; those of the model are {', '.join(ours)}")


def label_ids(
    dataset: Dataset, label_column: str, num_labels: int, label2id: Mapping[str, int] | None, argument: str
) -> np.ndarray:
    """The model's class number of each label, [N].

    Labels with names are looked up by them. A model without names takes integers, the numbers of a `ClassLabel` with
    as many classes as it has, and `False` and `True` as 0 and 1. If the names of a model are numbers, but not 0, 1, 2
    and so on, integers are looked up as well.

    Args:
        dataset: N > 0 rows.
        label_column: The column of labels.
        num_labels: C, the number of classes of the model.
        label2id: Class numbers by name; `None` if the model has no names.
        argument: What the messages call the data set.

    Raises:
        UserError: As in `label_column_of`; a label that the model does not know, with its row.
    """
    labels = label_column_of(dataset, label_column, argument)
    known = {name.strip(): i for name, i in (label2id or {}).items()}
    names = sorted(known, key=known.__getitem__)
    named = bool(known) and not are_defaults(names)
    feature = dataset.features[label_column]
    if pa.types.is_string(labels.type):
        if not named and pa.types.is_boolean(dataset.features.arrow_schema.field(label_column).type):
            return pc.equal(labels, "True").cast(pa.int64()).to_numpy()
        numbers = {str(i): i for i in range(num_labels)}
        by_number = not named and {*pc.unique(labels).to_pylist()} <= {*numbers}
        return _look_up(labels, numbers if by_number else known, label_column, argument)
    ids = labels.to_numpy()
    if isinstance(feature, ClassLabel) and feature.names:
        brought = [name.strip() for name in feature.names]
        _check_range(ids, len(brought), label_column, argument)
        table = _table(brought, known, named, num_labels)
        if table is not None:
            texts = pa.chunked_array([pa.array(brought, pa.string()).take(pa.array(ids))])
            return _look_up(texts, table, label_column, argument, brought)
    elif named and all(name.isdecimal() for name in names) and not _are_numbers(names):
        return _look_up(labels.cast(pa.string()), known, label_column, argument)
    _check_range(ids, num_labels, label_column, argument, names)
    return ids


def folded(name: str) -> str:
    """A name without what it can differ in by mistake: case, width and spaces."""
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


def format_names(names: Sequence[str]) -> str:
    """Names for a message."""
    return f"{', '.join(map(repr, names[:SHOWN]))}{', ...' if len(names) > SHOWN else ''}"


def _table(brought: Sequence[str], known: Mapping[str, int], named: bool, num_labels: int) -> Mapping[str, int] | None:
    """What names of a data set are looked up in; `None` where its numbers count, for one of the two has no names."""
    if {*brought} <= {*known}:
        return known
    if named:
        return None if _are_numbers(brought) or are_defaults(brought) else known
    # The classes of a model without names are its numbers. Of as many others each is taken by its place.
    numbers = {str(i): i for i in range(num_labels)}
    return numbers if {*brought} <= {*numbers} or len(brought) != num_labels else None


def _look_up(
    labels: pa.ChunkedArray, known: Mapping[str, int], column: str, argument: str, brought: Sequence[str] = ()
) -> np.ndarray:
    order = sorted(known, key=known.__getitem__)
    if not order:
        raise UserError(f"{argument}: column {column!r} holds strings, and the model has no label2id")
    found = pc.index_in(labels, value_set=pa.array(order, pa.string()))
    if found.null_count:
        row = pc.index(pc.is_null(found), True).as_py()
        label = labels[row].as_py()
        others = f"; those of the column are {list(brought)}" if brought else ""
        near = [name for name in order if folded(name) == folded(label)]
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise UserError(
            f"{argument}: label {label!r} in row {row} of column {column!r} "
            f"is not among the model's labels {order}{others}{hint}"
        )
    return np.array([known[name] for name in order], np.int64)[found.to_numpy()]


def _check_range(ids: np.ndarray, num_labels: int, column: str, argument: str, names: Sequence[str] = ()) -> None:
    wrong = (ids < 0) | (ids >= num_labels)
    if wrong.any():
        row = int(np.argmax(wrong))
        hint = f" {list(names)}" if names else ""
        if ids[row] == -1:
            hint += "; rows without a label belong in unlabeled_dataset"
        raise UserError(
            f"{argument}: label {ids[row]} in row {row} of column {column!r} "
            f"is outside the model's ids 0 to {num_labels - 1}{hint}"
        )


def are_defaults(names: Sequence[str]) -> bool:
    """Whether these are the names that transformers gives classes that nobody named."""
    return list(names) == [f"LABEL_{i}" for i in range(len(names))]


def _are_numbers(names: Sequence[str]) -> bool:
    """Whether these are the names of a `ClassLabel` that was only told how many there are."""
    return list(names) == [str(i) for i in range(len(names))]


def _write(config: Any, names: Sequence[str]) -> None:
    config.id2label = dict(enumerate(names))
    config.label2id = {name: i for i, name in enumerate(names)}

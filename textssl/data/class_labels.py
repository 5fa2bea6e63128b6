"""Labels of a table, strings, booleans or integers, as a `ClassLabel`."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from datasets import ClassLabel, Dataset, Value

from ..errors import UserError
from .columns import label_column_of
from .quality import space_findings


__all__ = ["MAX_CLASS_ID", "with_class_labels"]

# Above this an integer column is a column of codes, and ids from 0 to its maximum would be absurd.
MAX_CLASS_ID = 10_000

logger = logging.getLogger(__name__)


def with_class_labels(
    dataset: Dataset, label_column: str, label_names: Sequence[str] | None, location: Path
) -> Dataset:
    """Make a column of labels a `ClassLabel` as `load_table` says; a `UserError` names `location`."""
    labels = label_column_of(dataset, label_column, str(location))
    feature = dataset.features[label_column]
    # Of several processes that read the same file the first one speaks.
    if os.environ.get("RANK", "0") == "0":
        for finding in space_findings(dataset, label_column, str(location)):
            logger.warning("%s.", finding)
    ids, names = _encode_labels(labels, feature, label_names, label_column, location)
    if isinstance(feature, ClassLabel) and feature.names == names:
        return dataset
    order = dataset.column_names
    plain = dataset.remove_columns(label_column)
    return plain.add_column(label_column, pa.array(ids), feature=ClassLabel(names=names)).select_columns(order)


def _encode_labels(
    labels: pa.ChunkedArray,
    feature: Any,
    label_names: Sequence[str] | None,
    column: str,
    path: Path,
) -> tuple[np.ndarray, list[str]]:
    """Labels as ids [N] and the names of those ids."""
    if isinstance(feature, ClassLabel) and feature.names is not None:
        ids = labels.to_numpy()
        _refuse_negative(ids, column, path)
        if label_names is None:
            return ids, [name.strip() for name in feature.names]
        _within(ids, feature.names, column, path)
        labels = pc.utf8_trim_whitespace(pa.chunked_array([pa.array(feature.names).take(pa.array(ids))]))
    elif pa.types.is_integer(labels.type):
        ids = labels.to_numpy()
        _refuse_negative(ids, column, path)
        # Beside "other" the label "2" of a file is a string; a file without "other" holds the integer.
        numbered = label_names is not None and any(name.isdecimal() for name in label_names)
        if label_names is not None and not numbered:
            return _within(ids, label_names, column, path), list(label_names)
        if label_names is None and ids.min() == 0 and ids.max() < MAX_CLASS_ID:
            return ids, [str(i) for i in range(int(ids.max()) + 1)]
        if label_names is None:
            label_names = [str(value) for value in np.unique(ids)]
        labels = labels.cast(pa.string())
    else:
        labels = labels.cast(pa.string())
        if label_names is not None and isinstance(feature, Value) and feature.dtype == "bool":
            labels = _as_spelled(labels, label_names)
    names = sorted(pc.unique(labels).to_pylist()) if label_names is None else list(label_names)
    found = pc.index_in(labels, value_set=pa.array(names, pa.string()))
    if found.null_count:
        row = pc.index(pc.is_null(found), True).as_py()
        raise UserError(
            f"{column}: label {labels[row].as_py()!r} in row {row} of {str(path)!r} "
            f"is not among the known labels {names}"
        )
    return found.to_numpy().astype(np.int64), names


def _as_spelled(labels: pa.ChunkedArray, names: Sequence[str]) -> pa.ChunkedArray:
    """Booleans as the known labels spell them: beside "unsure" the label "true" of a file is a string."""
    for boolean in {"True", "False"} - {*names}:
        spelled = [name for name in names if name.lower() == boolean.lower()]
        if len(spelled) == 1:
            labels = pc.if_else(pc.equal(labels, boolean), spelled[0], labels)
    return labels


def _refuse_negative(ids: np.ndarray, column: str, path: Path) -> None:
    if ids.min() < 0:
        row = int(np.argmax(ids < 0))
        raise UserError(
            f"{column}: label {ids[row]} in row {row} of {str(path)!r} is negative; "
            "put unlabeled rows in a table of their own and read it with label_column=None"
        )


def _within(ids: np.ndarray, names: Sequence[str], column: str, path: Path) -> np.ndarray:
    if ids.max() >= len(names):
        row = int(np.argmax(ids >= len(names)))
        raise UserError(
            f"{column}: label {ids[row]} in row {row} of {str(path)!r} is not among the ids 0 to "
            f"{len(names) - 1} of the known labels {list(names)}"
        )
    return ids

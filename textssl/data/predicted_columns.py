"""Columns of what a classifier said of each row: their names are the same in every table that is written.

``label`` holds the name of the most likely class, ``confidence`` its probability, and ``probability_NAME`` that of
each class. A reader finds the classes by these names, so that no order of classes has to be agreed on.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from datasets import Dataset

from ..errors import UserError
from .vectors import with_features


__all__ = [
    "CONFIDENCE",
    "LABEL",
    "PROBABILITIES",
    "PROBABILITY",
    "are_predictions",
    "check_new_columns",
    "named_probabilities",
    "predicted_columns",
    "predicted_name",
    "probability_columns",
    "with_joined_probabilities",
]

LABEL, CONFIDENCE = "label", "confidence"
# Of one class, and of all: a column of lists, in the order of the model's classes, where a trainer reads them.
PROBABILITY, PROBABILITIES = "probability_", "probabilities"
# Before the name of a column that the data have already.
PREDICTED = "predicted_"


def predicted_columns(
    taken: Collection[str], probs: np.ndarray, label_names: Sequence[str], *, probabilities: bool = True
) -> dict[str, pa.Array]:
    """New columns of a table: label, confidence and, on request, the probability of each class.

    Args:
        taken: columns that the table has. Where ``label`` or ``confidence`` is one of them, the new one is
            ``predicted_label`` or ``predicted_confidence``.
        probs: ``[N, C]``.
        label_names: C names.
        probabilities: whether each class has a column.

    Returns:
        Columns ``[N]`` by name.

    Raises:
        UserError: the table has columns of predictions already.
    """
    names = pa.array([str(name) for name in label_names], pa.string())
    columns = {
        predicted_name(LABEL, taken): names.take(pa.array(probs.argmax(axis=1))),
        predicted_name(CONFIDENCE, taken): pa.array(probs.max(axis=1)),
    }
    if probabilities:
        columns |= probability_columns(probs, label_names)
    check_new_columns(taken, label_names, probabilities=probabilities)
    return columns


def check_new_columns(taken: Collection[str], label_names: Sequence[str], *, probabilities: bool = True) -> None:
    """Raise UserError if a table has the columns already that :func:`predicted_columns` would add."""
    new = {predicted_name(name, taken) for name in (LABEL, CONFIDENCE)}
    if probabilities:
        new |= {f"{PROBABILITY}{name}" for name in label_names}
    if clash := sorted(new & {*taken}):
        raise UserError(f"the data already have a column {clash[0]!r}; rename or remove it")


def probability_columns(probs: np.ndarray, label_names: Sequence[str]) -> dict[str, pa.Array]:
    """The columns ``probability_NAME`` alone, of ``[N, C]`` probabilities and C names."""
    return {f"{PROBABILITY}{name}": pa.array(np.ascontiguousarray(probs[:, c])) for c, name in enumerate(label_names)}


def are_predictions(column_names: Collection[str], label_column: str) -> bool:
    """Whether the labels of a table are a classifier's: beside them stands their confidence."""
    return label_column in column_names and label_column.replace(LABEL, CONFIDENCE) in column_names


def named_probabilities(column_names: Sequence[str]) -> list[str]:
    """Names of the classes that have a column ``probability_NAME``, in the order of the columns."""
    return [name.removeprefix(PROBABILITY) for name in column_names if name.startswith(PROBABILITY)]


def with_joined_probabilities(dataset: Dataset, column: str, argument: str) -> Dataset:
    """Put a column of lists ``[C]`` in place of the columns ``probability_NAME``, in the order of these.

    Args:
        dataset: N > 0 rows with such columns.
        column: name of the new one.
        argument: what the messages call the data set.

    Raises:
        UserError: a value that is missing or no number.
    """
    names = [f"{PROBABILITY}{name}" for name in named_probabilities(dataset.column_names)]
    table = dataset.select_columns(names).with_format("arrow")[:]
    probs = np.stack([_numbers(table.column(name), name, argument) for name in names], axis=1)
    return with_features(dataset.remove_columns(names), column, probs)


def _numbers(values: pa.ChunkedArray, name: str, argument: str) -> np.ndarray:
    try:
        # Columns of a CSV file may be read as text.
        numbers = values.cast(pa.float32())
    except pa.ArrowException as error:
        raise UserError(f"{argument}: column {name!r} holds {values.type}; expected probabilities") from error
    if numbers.null_count:
        row = pc.index(pc.is_null(numbers), True).as_py()
        raise UserError(f"{argument}: column {name!r} has no probability in row {row}")
    return np.asarray(numbers.to_numpy(), np.float32)


def predicted_name(name: str, taken: Collection[str]) -> str:
    """The name of a new column ``label`` or ``confidence`` of a table that may have one."""
    return f"{PREDICTED}{name}" if name in taken else name

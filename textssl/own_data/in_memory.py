"""Tables, lists and data sets in memory as a `datasets.Dataset`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from datasets import Dataset, DatasetDict, Image, IterableDataset, IterableDatasetDict
from PIL import Image as PillowImage

from ..data.validation import check_characters
from ..errors import UserError


__all__ = ["as_dataset", "as_inputs", "as_list", "with_labels"]

EXPECTED = (
    "expected a pandas DataFrame, a datasets.Dataset, a list of texts, of (text, label) or of dicts, or the path of "
    "a file"
)


def as_dataset(data: Any, argument: str) -> Dataset:
    """Rows of a DataFrame, a Series, a data set, a list of texts or images, of (text, label), or of dicts.

    Raises:
        UserError: anything else, no rows, or values that have no common type.
    """
    if isinstance(data, Dataset):
        dataset = data
    elif isinstance(data, DatasetDict | IterableDatasetDict):
        raise UserError(f"{argument}: got several splits, {', '.join(map(str, data))}; pass one of them")
    elif isinstance(data, IterableDataset):
        raise UserError(f"{argument}: got an IterableDataset, which has no length; pass a datasets.Dataset")
    elif isinstance(data, dict):
        raise UserError(f"{argument}: got a dict; {EXPECTED}")
    else:
        dataset = _from_memory(data, argument)
    if not len(dataset):
        raise UserError(f"{argument}: got no rows; expected at least one")
    return dataset


def with_labels(data: Any, labels: Any, argument: str, column: str) -> Dataset:
    """The rows of ``data`` with ``labels``, one for each, as a column.

    Raises:
        UserError: as :func:`as_dataset`; not as many labels as rows.
    """
    dataset, values = as_dataset(data, argument), as_list(labels, "labels")
    if len(values) != len(dataset):
        raise UserError(f"labels: got {len(values):,} labels for {len(dataset):,} rows of {argument}")
    if column in dataset.column_names:
        dataset = dataset.remove_columns(column)
    return dataset.add_column(column, _labels(values, argument))


def as_inputs(inputs: Any, column: str = "text") -> list[Any]:
    """Texts or images to classify, as a list.

    Args:
        inputs: a list, an array, a Series, a column of a data set, or a table with ``column``.
        column: of a table; one with a single column may call it as it likes.

    Raises:
        UserError: a string instead of a list of them, or a table without the column.
    """
    if isinstance(inputs, str | bytes):
        raise UserError("inputs: got a string; expected a list of texts")
    if isinstance(inputs, pd.DataFrame | Dataset):
        names = [str(name) for name in (inputs.columns if isinstance(inputs, pd.DataFrame) else inputs.column_names)]
        if column not in names and len(names) != 1:
            raise UserError(f"inputs: no column {column!r}; its columns are {names}")
        inputs = inputs[column if column in names else names[0]]
    return as_list(inputs, "inputs")


def as_list(values: Any, argument: str) -> list[Any]:
    """A Series, an array, a column or any sequence as a list of plain values.

    Raises:
        UserError: none of them.
    """
    if isinstance(values, pd.Series | pd.Index | pd.Categorical):
        values = pd.Series(values).astype(object).to_numpy()
    if isinstance(values, np.ndarray):
        if values.ndim != 1:
            raise UserError(f"{argument}: got an array of shape {values.shape}; expected one value a row")
        return list(values.tolist())
    if isinstance(values, str | bytes) or not hasattr(values, "__iter__"):
        raise UserError(f"{argument}: got {type(values).__name__}; expected a list")
    return [value.item() if isinstance(value, np.generic) else value for value in values]


def _from_memory(data: Any, argument: str) -> Dataset:
    if isinstance(data, pd.DataFrame):
        return _from_frame(data, argument)
    if isinstance(data, pa.Table):
        return Dataset(data)
    if isinstance(data, str | bytes) or not hasattr(data, "__iter__"):
        raise UserError(f"{argument}: got {type(data).__name__}; {EXPECTED}")
    rows = as_list(data, argument)
    if not rows:
        raise UserError(f"{argument}: got no rows; expected at least one")
    kinds = {_kind(row) for row in rows if not _is_missing(row)}
    if len(kinds) != 1:
        raise UserError(f"{argument}: got a list of {' and '.join(sorted(kinds)) or 'nothing'}; {EXPECTED}")
    (kind,) = kinds
    if kind == "texts":
        for number, row in enumerate(rows):
            if not _is_missing(row):
                check_characters(row, argument, number)
        return Dataset.from_dict({"text": [None if _is_missing(row) else row for row in rows]})
    if kind == "images":
        return Dataset.from_dict({"image": rows}).cast_column("image", Image())
    if kind == "dicts":
        return _built(rows, argument)
    if kind == "pairs":
        inputs = _from_memory([row[0] for row in rows], argument)
        return inputs.add_column("label", _labels([row[1] for row in rows], argument))
    raise UserError(f"{argument}: got a list of {kind}; {EXPECTED}")


def _from_frame(frame: pd.DataFrame, argument: str) -> Dataset:
    names = [str(name) for name in frame.columns]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise UserError(f"{argument}: it has more than one column named {twice[0]!r}")
    plain = frame.set_axis(names, axis=1)
    for name in names:
        if isinstance(plain[name].dtype, pd.CategoricalDtype):
            plain = plain.assign(**{name: plain[name].astype(object)})
    try:
        return Dataset.from_pandas(plain, preserve_index=False)
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise _mixed(error, argument) from error


def _built(rows: Sequence[dict[str, Any]], argument: str) -> Dataset:
    names = list(dict.fromkeys(str(name) for row in rows if not _is_missing(row) for name in row))
    try:
        return Dataset.from_dict({name: [(row or {}).get(name) for row in rows] for name in names})
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise _mixed(error, argument) from error


def _labels(values: Sequence[Any], argument: str) -> pa.Array:
    try:
        return pa.array([None if _is_missing(value) else value for value in values])
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise UserError(
            f"{argument}: labels are of several kinds ({' '.join(str(error).split())}); expected all strings, all "
            "integers or all booleans, and None where there is no label"
        ) from error


def _mixed(error: Exception, argument: str) -> UserError:
    if isinstance(error, UnicodeEncodeError):
        return UserError(f"{argument}: a text holds {error.object[error.start]!r}, half of a character")
    return UserError(f"{argument}: a column holds values of several kinds ({' '.join(str(error).split())[:200]})")


def _kind(row: Any) -> str:
    if isinstance(row, str):
        return "texts"
    if isinstance(row, PillowImage.Image):
        return "images"
    if isinstance(row, dict):
        return "dicts"
    if isinstance(row, tuple | list) and len(row) == 2:
        return "pairs"
    return f"{type(row).__name__} values"


def _is_missing(value: Any) -> bool:
    return value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and value != value)

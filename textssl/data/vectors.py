"""A column of vectors: written, and read as one array, by Arrow and never by Python rows."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from datasets import Dataset, DatasetInfo, Features, List, Value

from ..errors import UserError


__all__ = ["feature_array", "is_fixed_float32", "with_features"]


def with_features(dataset: Dataset, column: str, vectors: np.ndarray) -> Dataset:
    """Add a column of vectors, or replace one.

    Args:
        dataset: N rows.
        column: its name.
        vectors: [N, D] float32; held as they are, not copied.

    Returns:
        The rows with lists of D numbers in float32.
    """
    size = vectors.shape[1]
    values = pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), size)
    feature = List(Value("float32"), length=size)
    order = dataset.column_names
    others = dataset.remove_columns([column]) if column in order else dataset
    if others.column_names:
        added = others.add_column(column, values, feature=feature)
        return added.select_columns(order) if column in order else added
    # Without its last column a data set forgets how many rows it had.
    features = Features({column: feature})
    return Dataset(pa.table({column: values}).cast(features.arrow_schema), info=DatasetInfo(features=features))


def feature_array(dataset: Dataset, column: str) -> np.ndarray:
    """All vectors of a checked column as one array, [N, D] in float32.

    It shares the memory of the data set, on the disk where this is, if the column is in one piece and no rows
    were selected: do not write to it. Else it is a copy.

    Args:
        dataset: N > 0 rows, such as :func:`.check_features` returns.
        column: lists of D numbers in float32.

    Raises:
        UserError: the column holds something else.
    """
    stored = dataset.data.column(column)
    if not is_fixed_float32(stored.type) or stored.null_count:
        raise UserError(f"{column}: got {stored.type}; expected lists of a fixed size in float32")
    parts = [chunk.flatten().to_numpy(zero_copy_only=True) for chunk in stored.chunks]
    whole = (parts[0] if len(parts) == 1 else np.concatenate(parts)).reshape(len(stored), -1)
    # Arrow would gather selected rows one by one.
    selected = dataset._indices
    return whole if selected is None else whole[selected.column(0).to_numpy()]


def is_fixed_float32(kind: pa.DataType) -> bool:
    """Whether a column holds lists of one size of float32 numbers."""
    return pa.types.is_fixed_size_list(kind) and pa.types.is_float32(kind.value_type)

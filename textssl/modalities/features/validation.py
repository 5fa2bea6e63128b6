"""Checks of a column of feature vectors, by Arrow, never by Python rows."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from datasets import Dataset

from ...data.columns import check_column
from ...data.vectors import is_fixed_float32, with_features
from ...errors import UserError


__all__ = ["check_features"]

# Few enough that the numbers of a batch stay in the processor's cache.
BATCH_ROWS = 4096


def check_features(dataset: Dataset, column: str, argument: str, size: int | None = None) -> Dataset:
    """Check that each row has a vector of finite numbers, all of one size.

    Args:
        dataset: N > 0 rows.
        column: lists of numbers, of a fixed size or not.
        argument: what the messages call the data set.
        size: D, the model's ``input_size``; ``None`` for that of row 0.

    Returns:
        The same rows, whose vectors are lists of D numbers in float32; ``dataset`` itself if they were before.

    Raises:
        UserError: no rows; no such column; no lists of numbers; a vector that is
            missing, of another size, or has a number that is missing, nan or infinite, with its row from 0.
    """
    check_column(dataset, column, argument, "feature_column")
    if not len(dataset):
        raise UserError(f"{argument}: the data set is empty; it needs at least one row")
    stored = dataset.data.column(column)
    if _all_good(stored, size):
        # Also the answer for a shuffled or selected data set, whose rows are slow to gather.
        return dataset
    why = "as row 0 has" if size is None else "the model's input_size"
    parts = []
    row = 0
    for chunk in _chunks(dataset, column):
        size = _check_sizes(chunk, column, argument, size, why, row)
        values = _check_values(chunk, size, column, argument, row)
        row += len(chunk)
        parts.append(values)
    if is_fixed_float32(stored.type):
        # What is wrong lies in rows that are not selected.
        return dataset
    return with_features(dataset, column, np.concatenate(parts))


def _all_good(stored: pa.ChunkedArray, size: int | None) -> bool:
    kind = stored.type
    if not is_fixed_float32(kind) or stored.null_count or size not in (None, kind.list_size) or not kind.list_size:
        return False
    for chunk in stored.chunks:
        for start in range(0, len(chunk), BATCH_ROWS):
            flat = chunk.slice(start, BATCH_ROWS).flatten()
            if flat.null_count or not np.isfinite(flat.to_numpy()).all():
                return False
    return True


def _chunks(dataset: Dataset, column: str) -> Iterator[pa.Array]:
    """The column piece by piece; a large selection of rows is never copied whole."""
    rows = dataset.select_columns([column]).with_format("arrow")
    for batch in rows.iter(batch_size=BATCH_ROWS):
        yield from (chunk for chunk in batch.column(column).chunks if len(chunk))


def _check_sizes(chunk: pa.Array, column: str, argument: str, size: int | None, why: str, start: int) -> int:
    """Check that all rows of a chunk are vectors of ``size`` numbers; return it, or that of the first row."""
    kind = chunk.type
    where = f"column {column!r}"
    if not _is_list(kind) or not (pa.types.is_floating(kind.value_type) or pa.types.is_integer(kind.value_type)):
        raise UserError(f"{argument}: {where} holds {kind}; expected lists of numbers")
    if chunk.null_count:
        row = start + pc.index(pc.is_null(chunk), True).as_py()
        raise UserError(f"{argument}: {where} has no vector in row {row}")
    sizes = pc.list_value_length(chunk).to_numpy()
    expected = int(sizes[0]) if size is None else size
    wrong = sizes != expected
    if wrong.any():
        row = int(np.argmax(wrong))
        raise UserError(
            f"{argument}: {where} has {sizes[row]} numbers in row {start + row}; expected {expected}, {why}"
        )
    if not expected:
        raise UserError(f"{argument}: {where} has no numbers in row {start}; expected at least one")
    return expected


def _check_values(chunk: pa.Array, size: int, column: str, argument: str, start: int) -> np.ndarray:
    """The finite vectors [n, D] of a chunk, in float32."""
    flat = chunk.flatten()
    if flat.null_count:
        row = pc.index(pc.is_null(flat), True).as_py() // size
        raise UserError(f"{argument}: column {column!r} has a missing number in row {start + row}")
    with np.errstate(over="ignore"):
        values = flat.to_numpy(zero_copy_only=False).astype(np.float32, copy=False).reshape(-1, size)
    finite = np.isfinite(values)
    if not finite.all():
        row, place = (int(found[0]) for found in np.nonzero(~finite))
        raise UserError(
            f"{argument}: column {column!r} has {flat[row * size + place].as_py()} in row {start + row}, "
            f"place {place}; expected finite numbers in float32"
        )
    return values


def _is_list(kind: pa.DataType) -> bool:
    return pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)

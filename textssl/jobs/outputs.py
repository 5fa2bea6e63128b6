"""What a job returned, checked and written as Arrow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from ..errors import UserError


__all__ = ["as_arrow", "as_numpy", "serialized"]


def serialized(outputs: Any, rows: int, origin: str) -> bytes:
    """The columns that a job returned for one shard, as an Arrow IPC stream of one record batch.

    Equal columns give equal bytes.

    Args:
        outputs: columns by name, see :class:`textssl.jobs.Job`.
        rows: n, how many values each has.
        origin: job and shard, for messages.

    Raises:
        UserError: no columns, another number of rows, nan or infinity, or values of another kind.
    """
    if not isinstance(outputs, Mapping) or not outputs:
        raise UserError(f"{origin} returned {type(outputs).__name__} {outputs!r:.60}; expected columns by name")
    arrays = [as_arrow(values, rows, f"{origin}, column {name!r}") for name, values in outputs.items()]
    table = pa.record_batch(arrays, names=list(outputs))
    sink = pa.BufferOutputStream()
    # Streams, not files, are what datasets maps into memory.
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_batch(table)
    return sink.getvalue().to_pybytes()


def as_arrow(values: Any, rows: int, origin: str) -> pa.Array:
    """One column: numbers [n] as they are, [n, D] as lists of fixed size, strings as strings.

    Raises:
        UserError: as for :func:`serialized`.
    """
    if isinstance(values, str) or not hasattr(values, "__len__") or getattr(values, "ndim", 1) == 0:
        raise UserError(f"{origin}: got {values!r:.60}; expected an array of numbers, or strings")
    if len(values) != rows:
        raise UserError(f"{origin}: got {len(values)} values for {rows} rows; expected one for each row")
    if not isinstance(values, np.ndarray) or values.dtype.kind not in "fiub":
        strings = list(values)
        for value in strings:
            if not isinstance(value, str):
                raise UserError(f"{origin}: got {value!r:.60}; expected an array of numbers, or strings")
        return pa.array(strings, pa.string())
    if values.ndim > 2 or 0 in values.shape:
        raise UserError(f"{origin}: got shape {list(values.shape)}; expected [{rows}] or [{rows}, D]")
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise UserError(f"{origin}: got nan or infinity; expected finite numbers")
    flat = pa.array(np.ascontiguousarray(values).reshape(-1))
    return flat if values.ndim == 1 else pa.FixedSizeListArray.from_arrays(flat, values.shape[1])


def as_numpy(column: pa.ChunkedArray) -> np.ndarray:
    """The inverse of :func:`as_arrow`, without a copy for numbers: [n], or [n, D]; strings are objects."""
    array = column.combine_chunks()
    if not pa.types.is_fixed_size_list(array.type):
        return array.to_numpy(zero_copy_only=False)
    return array.flatten().to_numpy(zero_copy_only=False).reshape(len(array), -1)

"""What a job may return, there and back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from textssl.errors import UserError
from textssl.jobs.outputs import as_arrow, as_numpy, serialized


@pytest.mark.parametrize("kind", ["bool", "int8", "int64", "uint32", "float16", "float32", "float64"])
@pytest.mark.parametrize("shape", [(3,), (3, 4), (3, 1)])
def test_numbers_come_back_as_they_were(kind: str, shape: tuple[int, ...]) -> None:
    # Not contiguous: every second value of a larger array.
    values = np.random.default_rng(0).integers(0, 2, (*shape[:-1], 2 * shape[-1])).astype(kind)[..., ::2]
    back = as_numpy(pa.chunked_array([as_arrow(values, 3, "x")]))
    assert back.dtype == values.dtype
    assert back.shape == shape
    assert (back == values).all()


@pytest.mark.parametrize("values", [["a", "", "é😀"], np.array(["a", "", "é😀"]), np.array(["a", "", "é😀"], object)])
def test_strings_come_back_as_they_were(values: Any) -> None:
    assert as_numpy(pa.chunked_array([as_arrow(values, 3, "x")])).tolist() == ["a", "", "é😀"]


def test_equal_columns_give_equal_bytes_and_one_batch() -> None:
    outputs = {"v": np.arange(6.0).reshape(3, 2), "s": ["a", "b", "c"]}
    content = serialized(outputs, 3, "x")
    assert content == serialized({"v": np.arange(6.0).reshape(2, 3).reshape(3, 2).copy(), "s": list("abc")}, 3, "x")
    (batch,) = pa.ipc.open_stream(content)
    assert batch.to_pydict() == {"v": [[0, 1], [2, 3], [4, 5]], "s": ["a", "b", "c"]}


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        (None, "returned NoneType"),
        ({}, "returned dict"),
        ({"v": np.zeros(2)}, "column 'v': got 2 values for 3 rows"),
        ({"v": 1.0}, "column 'v': got 1.0; expected"),
        ({"v": np.array(1.0)}, "column 'v': got array.* expected"),
        ({"v": "abc"}, "column 'v': got 'abc'; expected"),
        ({"v": np.array([0, np.nan, 1])}, "nan or infinity"),
        ({"v": np.array([[0], [np.inf], [1]], np.float16)}, "nan or infinity"),
        ({"v": np.zeros((3, 2, 2))}, r"got shape \[3, 2, 2\]; expected \[3\] or \[3, D\]"),
        ({"v": np.zeros((3, 0))}, r"got shape \[3, 0\]"),
        ({"v": ["a", None, "c"]}, "got None; expected an array of numbers, or strings"),
        ({"v": [1, 2, 3]}, "got 1; expected an array of numbers, or strings"),
        ({"v": np.zeros(3, complex)}, "expected an array of numbers"),
    ],
)
def test_what_cannot_be_stored_is_refused(outputs: Any, message: str) -> None:
    with pytest.raises(UserError, match=f"^job 'j', shard 4.*{message}"):
        serialized(outputs, 3, "job 'j', shard 4")

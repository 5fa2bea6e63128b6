from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from textssl.errors import UserError
from textssl.modalities.features.encoding import FeatureEncoder


ROWS = [[1.0, 2.0, 3.0], [4.0, 5.0, 6.5]]


@pytest.mark.parametrize(
    "rows",
    [
        ROWS,
        [np.array(row, np.float32) for row in ROWS],
        [np.array(row, np.float64) for row in ROWS],
        [ROWS[0], np.array(ROWS[1])],
        tuple(np.array(ROWS, np.float16)),
        [torch.tensor(row) for row in ROWS],
    ],
)
@pytest.mark.parametrize("keys", [None, [(0, 1), (0, 2)]])
def test_rows_of_any_kind_are_stacked_in_float32(rows: Any, keys: Any) -> None:
    batch = FeatureEncoder(3)(rows, keys)
    assert batch["features"].dtype == torch.float32
    assert batch["features"].tolist() == ROWS
    assert batch["lengths"] == [1, 1]


def test_whole_numbers_become_float32() -> None:
    assert FeatureEncoder(2)([[1, 2]])["features"].tolist() == [[1.0, 2.0]]


def test_no_rows() -> None:
    batch = FeatureEncoder(3)([])
    assert batch["features"].shape == (0, 3)
    assert batch["lengths"] == []


def test_the_batch_shares_no_memory_with_the_rows() -> None:
    row = np.ones(3, np.float32)
    row.flags.writeable = False
    batch = FeatureEncoder(3)([row])["features"]
    batch.zero_()
    assert row.tolist() == [1, 1, 1]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([[1.0, 2.0]], r"features: got vectors of shape \[2\]; expected \[3\]"),
        ([[1.0, 2.0, 3.0], [1.0]], r"got vectors of shape \[1\], \[3\]; expected \[3\]"),
        ([1.0, 2.0], r"got vectors of shape \[\]; expected \[3\]"),
        ([np.ones((3, 3))], r"got vectors of shape \[3, 3\]"),
    ],
)
def test_vectors_of_another_size_are_refused(rows: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        FeatureEncoder(3)(rows)

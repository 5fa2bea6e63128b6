from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from datasets import Array2D, Dataset, Features, List, Value, concatenate_datasets, load_from_disk

from textssl.data.vectors import feature_array
from textssl.errors import UserError
from textssl.modalities.features import validation
from textssl.modalities.features.validation import check_features


FIXED = List(Value("float32"), length=3)
ROWS = [[0.5, 1.0, -2.0], [3.0, 4.0, 5.0], [6.0, 7.0, 8.0]]


def data(rows: list[Any], feature: Any = FIXED) -> Dataset:
    features = Features({"id": Value("int64"), "features": feature, "label": Value("int64")})
    columns = {"id": list(range(len(rows))), "features": rows, "label": [0] * len(rows)}
    return Dataset.from_dict(columns, features=features)


def test_a_good_column_is_returned_as_it_is() -> None:
    good = data(ROWS)
    assert check_features(good, "features", "train_dataset", 3) is good
    assert check_features(good, "features", "train_dataset") is good


@pytest.mark.parametrize(
    "feature",
    [
        List(Value("float32")),
        List(Value("float64")),
        List(Value("float16")),
        List(Value("float64"), length=3),
    ],
)
def test_other_numbers_and_lists_become_fixed_float32(feature: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(validation, "BATCH_ROWS", 2)
    out = check_features(data(ROWS, feature), "features", "train_dataset", 3)
    assert out.features["features"] == FIXED
    assert out.column_names == ["id", "features", "label"]
    assert out["features"][:] == ROWS
    assert out["id"][:] == [0, 1, 2]
    assert check_features(out, "features", "train_dataset", 3) is out


def test_integers_too() -> None:
    out = check_features(data([[1, 2], [3, 4]], List(Value("int8"))), "features", "x")
    assert out["features"][:] == [[1.0, 2.0], [3.0, 4.0]]
    assert out.features["features"] == List(Value("float32"), length=2)


def test_selected_rows_alone_are_looked_at() -> None:
    for feature in (FIXED, List(Value("float64"))):
        mixed = data([[1.0, 2.0, 3.0], [0.0, math.nan, 0.0], [4.0, 5.0, 6.0]], feature)
        out = check_features(mixed.select([2, 0]), "features", "x", 3)
        assert out["features"][:] == [[4.0, 5.0, 6.0], [1.0, 2.0, 3.0]]
        assert out["id"][:] == [2, 0]
        with pytest.raises(UserError, match="has nan in row 1, place 1"):
            check_features(mixed.select([2, 1]), "features", "x", 3)


NAN, INF = math.nan, math.inf
VARIABLE = List(Value("float64"))


@pytest.mark.parametrize(
    ("rows", "feature", "message"),
    [
        ([[1, 2, 3], [1, 2, NAN]], FIXED, "column 'features' has nan in row 1, place 2; expected finite"),
        ([[1, 2, 3], [-INF, 2, 3]], VARIABLE, "has -inf in row 1, place 0"),
        ([[1, 2, 3], [1, 1e300, 3]], VARIABLE, r"has 1e\+300 in row 1, place 1; expected finite numbers in float32"),
        ([[1, 2, 3], [1, None, 3]], VARIABLE, "has a missing number in row 1"),
        ([[1, 2, 3], [1, None, 3]], FIXED, "has a missing number in row 1"),
        ([[1, 2, 3], None], VARIABLE, "has no vector in row 1"),
        ([[1, 2, 3], None], FIXED, "has no vector in row 1"),
        ([[1, 2, 3], [1, 2]], VARIABLE, "has 2 numbers in row 1; expected 3, the model's input_size"),
        ([[1, 2], [1, 2]], VARIABLE, "has 2 numbers in row 0; expected 3, the model's input_size"),
        ([[1, 2], [1, 2]], List(Value("float32"), length=2), "has 2 numbers in row 0; expected 3"),
        ([["a"], ["b"]], List(Value("string")), "holds list<.*string.*>; expected lists of numbers"),
        ([1.0, 2.0], Value("float32"), "holds float; expected lists of numbers"),
        ([[[1.0]], [[2.0]]], List(List(Value("float32"))), "expected lists of numbers"),
        ([[[1.0]], [[2.0]]], Array2D((1, 1), "float32"), "expected lists of numbers"),
        ([[True], [False]], List(Value("bool")), "holds list<.*bool.*>; expected lists of numbers"),
    ],
)
@pytest.mark.parametrize("batch_rows", [1, 100])
def test_what_is_wrong_is_named_with_its_row(
    rows: list[Any], feature: Any, message: str, batch_rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(validation, "BATCH_ROWS", batch_rows)
    with pytest.raises(UserError, match=f"unlabeled_dataset: .*{message}"):
        check_features(data(rows, feature), "features", "unlabeled_dataset", 3)


def test_without_a_size_row_0_says_what_is_expected() -> None:
    with pytest.raises(UserError, match="has 1 numbers in row 2; expected 2, as row 0 has"):
        check_features(data([[1, 2], [1, 2], [1]], VARIABLE), "features", "x")
    with pytest.raises(UserError, match="has no numbers in row 0; expected at least one"):
        check_features(data([[], []], VARIABLE), "features", "x")


def test_no_column_and_no_rows() -> None:
    with pytest.raises(UserError, match=r"x: no column 'vectors' \(feature_column\); its columns are \['id', "):
        check_features(data(ROWS), "vectors", "x")
    with pytest.raises(UserError, match="x: the data set is empty"):
        check_features(data([]), "features", "x", 3)


def test_the_array_shares_the_memory_of_the_data_set(tmp_path: Path) -> None:
    rows = data(ROWS)
    array = feature_array(rows, "features")
    assert array.tolist() == ROWS
    assert np.shares_memory(array, rows.data.column("features").chunk(0).values.to_numpy())
    rows.save_to_disk(tmp_path / "saved")
    assert feature_array(load_from_disk(tmp_path / "saved"), "features").tolist() == ROWS


def test_the_array_of_selected_and_joined_rows() -> None:
    rows = data(ROWS)
    assert feature_array(rows.select([2, 0, 2]), "features").tolist() == [ROWS[2], ROWS[0], ROWS[2]]
    joined = concatenate_datasets([rows, rows.select(range(1, 3))])
    assert feature_array(joined, "features").tolist() == [*ROWS, *ROWS[1:]]
    order = joined.shuffle(seed=0)
    assert feature_array(order, "features").tolist() == order["features"][:]
    slice_of_arrow = Dataset(pa.Table.from_batches(rows.data.to_batches()).slice(1, 2))
    assert feature_array(slice_of_arrow, "features").tolist() == ROWS[1:]
    assert check_features(slice_of_arrow, "features", "x", 3) is slice_of_arrow


@pytest.mark.parametrize(("rows", "feature"), [([[1.0, 2.0]], VARIABLE), ([[1.0, 2.0, 3.0], None], FIXED)])
def test_the_array_of_an_unchecked_column_is_refused(rows: list[Any], feature: Any) -> None:
    with pytest.raises(UserError, match=r"features: got .*; expected lists of a fixed size in float32"):
        feature_array(data(rows, feature), "features")

from __future__ import annotations

import datasets
import numpy as np
import pytest
from torch.utils.data import DataLoader

from textssl.data.sampler import Key
from textssl.data.two_stream import Item, TwoStreamDataset


def labeled() -> datasets.Dataset:
    return datasets.Dataset.from_dict({"text": [f"l{i}" for i in range(4)], "label": [0, 1, 0, 1]})


def unlabeled() -> datasets.Dataset:
    return datasets.Dataset.from_dict({"text": [f"u{i}" for i in range(7)], "back": [f"b{i}" for i in range(7)]})


def test_a_key_names_its_example() -> None:
    both = TwoStreamDataset(labeled(), unlabeled())
    assert both[Key(0, 3, 5)] == Item(Key(0, 3, 5), {"text": "l3", "label": 1})
    assert both[Key(1, 6, 0)] == Item(Key(1, 6, 0), {"text": "u6", "back": "b6"})


def test_a_batch_keeps_order_and_repeats() -> None:
    """A labeled set smaller than the batch asks for one row twice, under two visits or under one."""
    keys = [Key(1, 2, 0), Key(0, 1, 0), Key(0, 1, 1), Key(1, 2, 0), Key(0, 0, 1), Key(1, 0, 0)]
    both = TwoStreamDataset(labeled(), unlabeled())
    assert both.__getitems__(keys) == [both[key] for key in keys]
    assert [item.example["text"] for item in both.__getitems__(keys)] == ["u2", "l1", "l1", "u2", "l0", "u0"]


def test_each_stream_is_read_once_per_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[list[int]] = []
    read = datasets.Dataset.__getitem__

    def counted(dataset: datasets.Dataset, rows: list[int]) -> object:
        reads.append(rows)
        return read(dataset, rows)

    both = TwoStreamDataset(labeled(), unlabeled())
    monkeypatch.setattr(datasets.Dataset, "__getitem__", counted)
    loader = DataLoader(both, batch_sampler=[[Key(0, 1, 0), Key(1, 2, 0), Key(0, 3, 0)]], collate_fn=list)  # type: ignore[arg-type]
    assert [item.example["text"] for item in next(iter(loader))] == ["l1", "u2", "l3"]
    assert sorted(reads) == [[1, 3], [2]]


def test_vectors_are_read_as_rows_of_an_array() -> None:
    vectors = np.arange(12, dtype=np.float32).reshape(4, 3)
    feature = datasets.Features({"features": datasets.List(datasets.Value("float32"), length=3)})
    data = datasets.Dataset.from_dict({"features": vectors.tolist()}, features=feature)
    chosen = data.select([2, 0, 3]).add_column("label", [5, 6, 7])
    both = TwoStreamDataset(chosen, data)
    items = both.__getitems__([Key(0, 2, 0), Key(1, 1, 0), Key(0, 0, 1)])
    assert [item.example["features"].tolist() for item in items] == [[9, 10, 11], [3, 4, 5], [6, 7, 8]]
    assert [item.example.get("label") for item in items] == [7, None, 5]


@pytest.mark.parametrize(("second", "length"), [(True, 7), (False, 4)])
def test_its_length_is_that_of_the_stream_an_epoch_passes_over(second: bool, length: int) -> None:
    assert len(TwoStreamDataset(labeled(), unlabeled() if second else None)) == length


def test_a_selection_is_addressed_by_its_own_rows() -> None:
    both = TwoStreamDataset(labeled().select([3, 1]), unlabeled().shuffle(seed=0))
    assert both[Key(0, 0, 0)].example["text"] == "l3"
    assert both[Key(1, 4, 0)].example["text"] == unlabeled().shuffle(seed=0)[4]["text"]

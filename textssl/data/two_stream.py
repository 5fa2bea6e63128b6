"""A labeled and an unlabeled data set behind one map-style data set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import datasets
from torch.utils.data import Dataset

from ..data.vectors import feature_array
from .sampler import Key


__all__ = ["Item", "TwoStreamDataset"]


@dataclass(frozen=True)
class Item:
    """An example and the key that it was loaded by."""

    key: Key
    example: dict[str, Any]


class TwoStreamDataset(Dataset[Item]):
    """Addressed by :class:`Key`, so Trainer's and accelerate's sharding, workers and resume work untouched.

    Args:
        labeled: the labeled examples.
        unlabeled: the unlabeled ones, or ``None``.
    """

    def __init__(self, labeled: datasets.Dataset, unlabeled: datasets.Dataset | None) -> None:
        self.labeled = labeled
        self.unlabeled = unlabeled
        self._sources = [None if part is None else _Rows(part) for part in (labeled, unlabeled)]

    def __len__(self) -> int:
        return len(self.labeled if self.unlabeled is None else self.unlabeled)

    def __getitem__(self, key: Key) -> Item:
        return self.__getitems__([key])[0]

    def __getitems__(self, keys: Sequence[Key]) -> list[Item]:
        """All rows of a batch, each stream read once."""
        rows: dict[Key, dict[str, Any]] = {}
        for stream in {key.stream for key in keys}:
            source = self._sources[stream]
            assert source is not None
            wanted = [key for key in dict.fromkeys(keys) if key.stream == stream]
            columns = source.read([key.index for key in wanted])
            for place, key in enumerate(wanted):
                rows[key] = {name: values[place] for name, values in columns.items()}
        return [Item(key, rows[key]) for key in keys]


class _Rows:
    """Rows of a data set; columns of vectors are read from one array, eight times as fast."""

    def __init__(self, dataset: datasets.Dataset) -> None:
        vectors = [name for name, feature in dataset.features.items() if getattr(feature, "length", -1) > 0]
        self.arrays = {name: feature_array(dataset, name) for name in vectors if dataset.format["type"] is None}
        others = [name for name in dataset.column_names if name not in self.arrays]
        self.others = dataset.select_columns(others) if self.arrays else dataset

    def read(self, rows: list[int]) -> dict[str, Any]:
        columns = {name: array[rows] for name, array in self.arrays.items()}
        return columns | self.others[rows] if self.others.column_names else columns

"""A labeled and an unlabeled data set behind one map-style data set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import datasets
from torch.utils.data import Dataset

from .sampler import LABELED, Key


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

    def __len__(self) -> int:
        return len(self.labeled if self.unlabeled is None else self.unlabeled)

    def __getitem__(self, key: Key) -> Item:
        return self.__getitems__([key])[0]

    def __getitems__(self, keys: Sequence[Key]) -> list[Item]:
        """All rows of a batch, each stream read once."""
        rows: dict[Key, dict[str, Any]] = {}
        for stream in {key.stream for key in keys}:
            source = self.labeled if stream == LABELED else self.unlabeled
            assert source is not None
            wanted = [key for key in dict.fromkeys(keys) if key.stream == stream]
            columns = source[[key.index for key in wanted]]
            for place, key in enumerate(wanted):
                rows[key] = {name: values[place] for name, values in columns.items()}
        return [Item(key, rows[key]) for key in keys]

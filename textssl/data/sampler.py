"""Batches of two streams, a pure function of the seed and the number of the batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from torch.utils.data import BatchSampler


__all__ = ["Key", "TwoStreamSampler"]

LABELED, UNLABELED = 0, 1
STREAMS = ("labeled", "unlabeled")


class Key(NamedTuple):
    """One example to load: ``stream`` (0 labeled, 1 unlabeled), row ``index``, number of the pass ``visit``."""

    stream: int
    index: int  # type: ignore[assignment]  # the data set's word for it, and no tuple of ours is searched
    visit: int


class TwoStreamSampler(BatchSampler):
    """Yields ``labeled_batch`` labeled keys followed by ``unlabeled_batch`` unlabeled ones.

    Each stream is an endless row of fresh permutations of its data set: nothing is drawn twice within a pass,
    and a set smaller than a batch simply begins its next pass within that batch. Batch ``number`` depends on
    nothing but the arguments, so a resumed run, another worker count or another process count see the same
    batches. Processes take turns: with W of them, step t is made of batches tW to tW + W - 1.

    Args:
        sizes: number of labeled and of unlabeled examples.
        batch_sizes: labeled and unlabeled keys per batch; 0 leaves a stream out.
        batches_per_epoch: length of one iteration.
        seed: of the permutations.
        lengths: length of each unlabeled example; given, unlabeled batches are made of examples of like
            length, drawn from windows of ``window`` batches.
        window: number of batches that are sorted together.
    """

    def __init__(
        self,
        sizes: tuple[int, int],
        batch_sizes: tuple[int, int],
        batches_per_epoch: int,
        seed: int,
        lengths: Sequence[int] | np.ndarray | None = None,
        window: int = 50,
    ) -> None:
        for name, size, batch in zip(STREAMS, sizes, batch_sizes, strict=True):
            if batch and not size:
                raise ValueError(f"sizes: the {name} set is empty; expected at least one example")
        if batches_per_epoch < 1:
            raise ValueError(f"batches_per_epoch: got {batches_per_epoch}; expected at least 1")
        self.sizes = sizes
        self.batch_sizes = batch_sizes
        self.batches_per_epoch = batches_per_epoch
        self.seed = seed
        self.lengths = None if lengths is None else np.asarray(lengths)
        self.window = window
        self.start = 0
        # What accelerate's sharding looks at: whole batches go to the processes in turn.
        self.batch_size = sum(batch_sizes)
        self.drop_last = True
        self._orders: dict[int, tuple[int, np.ndarray]] = {}

    def __len__(self) -> int:
        return self.batches_per_epoch

    def __iter__(self) -> Iterator[list[Key]]:  # type: ignore[override]
        for number in range(self.start, self.start + self.batches_per_epoch):
            yield self.batch(number)

    def batch(self, number: int) -> list[Key]:
        """Keys of global batch ``number``."""
        return [
            self._key(stream, number * size + k) for stream, size in enumerate(self.batch_sizes) for k in range(size)
        ]

    def _key(self, stream: int, position: int) -> Key:
        visit, offset = divmod(position, self.sizes[stream])
        return Key(stream, int(self._order(stream, visit)[offset]), visit)

    def _order(self, stream: int, visit: int) -> np.ndarray:
        cached = self._orders.get(stream)
        if cached is None or cached[0] != visit:
            rng = np.random.default_rng([self.seed, stream, visit])
            order = rng.permutation(self.sizes[stream])
            if stream == UNLABELED and self.lengths is not None:
                order = self._grouped(order, visit, rng)
            self._orders[stream] = cached = (visit, order)
        return cached[1]

    def _grouped(self, order: np.ndarray, visit: int, rng: np.random.Generator) -> np.ndarray:
        """Sort each window by length, cut it where batches will be cut, and shuffle the cuts."""
        size = self.batch_sizes[UNLABELED]
        lengths = self.lengths
        assert lengths is not None
        # A pass seldom begins where a batch does: its first rows complete the batch under way.
        first = -(visit * len(order)) % size
        parts = [order[:first]]
        for begin in range(first, len(order), size * self.window):
            window = order[begin : begin + size * self.window]
            window = window[np.argsort(lengths[window], kind="stable")]
            full = [window[i : i + size] for i in range(0, len(window), size)]
            # The short cut stays last, or every later batch would straddle two lengths.
            short = [full.pop()] if len(full[-1]) < size else []
            parts += [full[i] for i in rng.permutation(len(full))] + short
        return np.concatenate(parts)

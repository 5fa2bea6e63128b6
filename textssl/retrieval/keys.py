"""Which sentences were seen before: 64-bit hashes in sorted arrays, for hundreds of millions of them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np


__all__ = ["KeySet", "sentence_keys"]

KEY_BYTES = 8


def sentence_keys(sentences: Iterable[str]) -> np.ndarray:
    """A number for each sentence, the same for those that differ in case and white space only.

    Two others share one by chance: among 100 million sentences the expected number of such pairs is 0.0003.

    Returns:
        ``[n]`` uint64.
    """
    digests = [
        hashlib.blake2b(" ".join(sentence.casefold().split()).encode(), digest_size=KEY_BYTES).digest()
        for sentence in sentences
    ]
    return np.frombuffer(b"".join(digests), dtype="<u8").astype(np.uint64, copy=False)


class KeySet:
    """A growing set of numbers, 8 bytes each, twice as many for a moment when it is put in order.

    It is a few sorted arrays, each more than twice as long as the next: a look-up is a binary search in each, and a
    number is moved once for each doubling of the set.
    """

    def __init__(self) -> None:
        self._runs: list[np.ndarray] = []

    def __len__(self) -> int:
        return sum(map(len, self._runs))

    def add(self, keys: np.ndarray) -> np.ndarray:
        """Add ``keys`` [n] uint64.

        Returns:
            ``[n]`` bool: whether a key is new, and the first of its kind in ``keys``.
        """
        new = np.zeros(len(keys), bool)
        new[np.unique(keys, return_index=True)[1]] = True
        for run in self._runs:
            new &= ~_within(run, keys)
        if new.any():
            self._push(np.sort(keys[new]))
        return new

    def _push(self, run: np.ndarray) -> None:
        while self._runs and len(self._runs[-1]) <= 2 * len(run):
            run = np.concatenate([self._runs.pop(), run])
            # Stable is the sort that finds two sorted halves and merges them.
            run.sort(kind="stable")
        self._runs.append(run)


def _within(run: np.ndarray, keys: np.ndarray) -> np.ndarray:
    places = np.searchsorted(run, keys)
    places[places == len(run)] = 0
    return np.asarray(run[places] == keys)

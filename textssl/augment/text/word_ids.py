"""Numbers of words in a vocabulary, and how often each occurs in a text."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .words import normalize_word


__all__ = ["WordIds", "number_unknown", "occurrences"]

UNKNOWN = -1
# Spellings remembered beside the vocabulary, so that no stream of texts can fill the memory.
MAX_SPELLINGS = 200_000


class WordIds(dict[str, int]):
    """Spelling to number of the word; a new spelling is normalized once, then remembered.

    It starts empty: the spellings in use then lie together in memory, and are found in half the time.
    """

    def __init__(self, words: Sequence[str]) -> None:
        """Number ``words`` from 0."""
        self.words = words
        self.numbers = {word: number for number, word in enumerate(words)}

    def __missing__(self, spelling: str) -> int:
        number = self.numbers.get(normalize_word(spelling), UNKNOWN)
        if len(self) < MAX_SPELLINGS:
            # Kept as the vocabulary's own object, which lies among its like, where the two are equal.
            known = number != UNKNOWN and self.words[number] == spelling
            self[self.words[number] if known else spelling] = number
        return number


def number_unknown(ids: np.ndarray, words: Sequence[str]) -> None:
    """Give the unknown words of a text, in place, numbers below 0 that are theirs alone."""
    numbers: dict[str, int] = {}
    for i in np.flatnonzero(ids < 0).tolist():
        ids[i] = -1 - numbers.setdefault(normalize_word(words[i]), len(numbers))


def occurrences(ids: np.ndarray) -> np.ndarray:
    """How often each id of a text occurs in it: np.unique, which takes twice the time, by hand."""
    order = ids.argsort()
    steps = np.zeros(len(ids), dtype=np.int64)
    ordered = ids[order]
    np.not_equal(ordered[1:], ordered[:-1], out=steps[1:])
    rank = np.empty_like(ids)
    rank[order] = steps.cumsum()
    return np.bincount(rank)[rank]

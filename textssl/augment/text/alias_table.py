"""Drawing from a fixed discrete distribution in constant time per draw."""

from __future__ import annotations

import numpy as np


__all__ = ["AliasTable"]


class AliasTable:
    """Walker's alias method (1977, doi:10.1145/355744.355749): V equally likely cells of one or two numbers.

    A draw takes two look-ups, where a search in the cumulated probabilities takes log V.

    Args:
        probs: float64 [V], probabilities that sum to 1. A number of probability 0 is never drawn.
    """

    def __init__(self, probs: np.ndarray) -> None:
        keep = (probs * len(probs)).tolist()
        alias = list(range(len(keep)))
        short = [i for i, share in enumerate(keep) if share < 1]
        rich = [i for i, share in enumerate(keep) if share > 1]
        while short and rich:
            i, donor = short.pop(), rich[-1]
            alias[i] = donor
            keep[donor] -= 1 - keep[i]
            if keep[donor] < 1:
                short.append(rich.pop())
        self._keep, self._alias = np.array(keep), np.array(alias)

    def draw(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """int64 [count]: independent draws from 0..V-1."""
        # One number chooses the cell by its whole part, and within the cell by its fraction.
        fraction, whole = np.modf(rng.random(count) * len(self._keep))
        cell = whole.astype(np.int64)
        return np.where(fraction < self._keep[cell], cell, self._alias[cell])

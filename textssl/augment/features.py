"""Views of a feature vector: noise and dropout. Each is a pure function of (example, rng)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..errors import UserError


__all__ = ["FeatureDropout", "GaussianNoise"]

Example = dict[str, Any]


class GaussianNoise:
    """Adds independent normal noise, measured by the vector itself.

    The standard deviation is ``scale`` times the root mean square of the example's vector, so that a scale means
    the same for every encoder: with 0.1 the noise is about a tenth as long as the vector.

    Args:
        scale: of the noise; 0 adds none.
        column: holds the vector [D], an array or a list.

    Raises:
        UserError: a negative or infinite scale; an example without the column.
    """

    def __init__(self, scale: float = 0.1, column: str = "features") -> None:
        if not 0 <= scale < math.inf:
            raise UserError(f"scale: got {scale}; expected 0 or more")
        self.scale = scale
        self.column = column

    def __call__(self, example: Example, rng: np.random.Generator) -> Example:
        """Return ``example`` with noise on its vector, float32 [D]."""
        vector = _vector(example, self.column)
        deviation = self.scale * math.sqrt(np.dot(vector, vector) / max(vector.size, 1))
        noise = rng.standard_normal(vector.size, dtype=np.float32)
        return {**example, self.column: vector + np.float32(deviation) * noise}


class FeatureDropout:
    """Drops entries independently and scales up the others, so that the expectation is the vector itself.

    With probability ``p`` an entry becomes that of ``mean``, and else its distance from there is divided by
    1 - ``p`` (Srivastava et al., 2014, dropout, on the input).

    Args:
        p: probability of dropping an entry; with 1 all are dropped.
        mean: what a dropped entry becomes, [D]; 0 by default. With the mean of the training features a dropped
            entry says nothing at all.
        column: holds the vector [D], an array or a list.

    Raises:
        UserError: ``p`` outside [0, 1], a mean of another size than the vector, an example without the column.
    """

    def __init__(self, p: float = 0.2, mean: np.ndarray | None = None, column: str = "features") -> None:
        if not 0 <= p <= 1:
            raise UserError(f"p: got {p}; expected a number in [0, 1]")
        self.p = p
        self.mean = None if mean is None else np.asarray(mean, dtype=np.float32)
        self.column = column

    def __call__(self, example: Example, rng: np.random.Generator) -> Example:
        """Return ``example`` with entries of its vector dropped, float32 [D]."""
        vector = _vector(example, self.column)
        if self.mean is not None and self.mean.shape != vector.shape:
            raise UserError(f"mean: got shape {list(self.mean.shape)}; the vector has {list(vector.shape)}")
        kept = rng.random(vector.size, dtype=np.float32) >= self.p
        # With p = 1 nothing is kept, so that any finite factor will do.
        factors = kept * np.float32(1 / (1 - self.p) if self.p < 1 else 0)
        dropped = vector * factors if self.mean is None else self.mean + (vector - self.mean) * factors
        return {**example, self.column: dropped}


def _vector(example: Example, column: str) -> np.ndarray:
    if column not in example:
        raise UserError(f"column: got {column!r}; the data have {sorted(example)}")
    vector = np.asarray(example[column], dtype=np.float32)
    if vector.ndim != 1:
        raise UserError(f"column: {column!r} holds shape {list(vector.shape)}; expected one vector [D]")
    return vector

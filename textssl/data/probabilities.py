"""What counts as rows of class probabilities, for whoever is handed some."""

from __future__ import annotations

import numpy as np

from ..errors import UserError


__all__ = ["SUM_TOLERANCE", "checked_probs"]

# How far the sum of a row of half-precision probabilities may be from one.
SUM_TOLERANCE = 1e-2


def checked_probs(probs: np.ndarray) -> np.ndarray:
    """Rows of class probabilities, or a message that tells what they are instead.

    Args:
        probs: ``[N, C]``, anything that numpy makes an array of.

    Returns:
        ``[N, C]``.

    Raises:
        UserError: another shape or an empty one, a row that does not sum to one within 0.01, nan, a negative number.
    """
    probs = np.asarray(probs)
    if probs.ndim != 2 or 0 in probs.shape:
        raise UserError(f"probs: expected [N, C], got shape {list(probs.shape)}")
    if not np.all(np.abs(probs.sum(axis=1, dtype=np.float64) - 1) <= SUM_TOLERANCE):
        raise UserError("probs: each row must sum to one; these may be logits or hold nan")
    if probs.min() < 0:
        raise UserError(f"probs: {probs.min()} is negative; these may be logits")
    return probs

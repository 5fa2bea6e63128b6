"""How much more accurate one classifier is than another on the same examples, with an interval.

Examples:
    >>> from textssl.report.paired_accuracy import paired_accuracy
    >>> ours = [True] * 48 + [False] * 2
    >>> theirs = [True] * 36 + [False] * 12 + [True] * 2
    >>> [round(value, 3) for value in paired_accuracy(ours, theirs)]
    [0.2, 0.057, 0.34]
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from textssl.errors import UserError
from textssl.report.classification_scores import wilson_interval


__all__ = ["Interval", "paired_accuracy", "paired_mean"]

LEVEL = 0.95


class Interval(NamedTuple):
    """A figure with an interval."""

    value: float
    low: float
    high: float


def paired_accuracy(
    right: Sequence[bool] | np.ndarray, other: Sequence[bool] | np.ndarray, level: float = LEVEL
) -> Interval:
    """Difference of two accuracies on the same examples.

    The interval is Newcombe's (1998, Statistics in Medicine 17:2635-2650, method 10): that of Wilson for each of the
    two shares, joined with the correlation of the pairs. Unlike a bootstrap it is not empty where both agree.

    Args:
        right: whether the one is right on each example ``[N]``.
        other: the same of the other.
        level: of confidence.

    Raises:
        UserError: no example, or unequal lengths.
    """
    ours, theirs = _checked(right, other)
    count = len(ours)
    both, neither = int((ours & theirs).sum()), int((~ours & ~theirs).sum())
    only_ours, only_theirs = int((ours & ~theirs).sum()), int((~ours & theirs).sum())
    first, second = ours.mean(), theirs.mean()
    low_1, high_1 = wilson_interval(int(ours.sum()), count, level)
    low_2, high_2 = wilson_interval(int(theirs.sum()), count, level)
    phi = _correlation(both, only_ours, only_theirs, neither)
    below, above = first - low_1, high_1 - first
    below_2, above_2 = second - low_2, high_2 - second
    # A rounding error may leave something just below 0.
    down = math.sqrt(max(0.0, below**2 - 2 * phi * below * above_2 + above_2**2))
    up = math.sqrt(max(0.0, above**2 - 2 * phi * above * below_2 + below_2**2))
    gap = float(first - second)
    return Interval(gap, max(-1.0, gap - down), min(1.0, gap + up))


def paired_mean(
    values: Sequence[float] | np.ndarray, others: Sequence[float] | np.ndarray, level: float = LEVEL
) -> Interval:
    """Mean difference of two figures of the same examples, such as log-losses, by the normal distribution.

    Args:
        values: of the one ``[N]``.
        others: of the other.
        level: of confidence.

    Raises:
        UserError: fewer than two examples, or unequal lengths.
    """
    from statistics import NormalDist

    gaps = np.asarray(values, dtype=np.float64) - np.asarray(others, dtype=np.float64)
    if len(gaps) < 2:
        raise UserError(f"values: got {len(gaps)}; expected two or more")
    half = NormalDist().inv_cdf((1 + level) / 2) * gaps.std(ddof=1) / math.sqrt(len(gaps))
    return Interval(float(gaps.mean()), float(gaps.mean() - half), float(gaps.mean() + half))


def _correlation(both: int, only_ours: int, only_theirs: int, neither: int) -> float:
    """Of the pairs, corrected for continuity where it is positive."""
    margins = (both + only_ours) * (only_theirs + neither) * (both + only_theirs) * (only_ours + neither)
    if not margins:
        return 0.0
    product, count = both * neither - only_ours * only_theirs, both + only_ours + only_theirs + neither
    if product > 0:
        product = max(0, product - count / 2)  # type: ignore[assignment]
    return product / math.sqrt(margins)


def _checked(right: Sequence[bool] | np.ndarray, other: Sequence[bool] | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    ours, theirs = np.asarray(right, dtype=bool), np.asarray(other, dtype=bool)
    if ours.ndim != 1 or ours.shape != theirs.shape or not len(ours):
        raise UserError(f"right and other: got shapes {ours.shape} and {theirs.shape}; expected [N] of both, N > 0")
    return ours, theirs

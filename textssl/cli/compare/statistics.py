"""How far a method is from the baseline, and how sure that is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...report.paired_accuracy import paired_accuracy


__all__ = ["LEVEL", "Interval", "mean_interval", "paired_by_example"]

LEVEL = 0.95


@dataclass(frozen=True)
class Interval:
    """A mean with its interval.

    Attributes:
        mean: of the values.
        low: lower end; ``None`` where there is no interval.
        high: upper end.
        count: how many values or examples the interval rests on.
        over: ``"seeds"`` or ``"examples"``.
    """

    mean: float
    low: float | None
    high: float | None
    count: int
    over: str

    def as_dict(self) -> dict[str, Any]:
        """Plain numbers and strings."""
        return {"mean": self.mean, "low": self.low, "high": self.high, "count": self.count, "over": self.over}


def mean_interval(values: Sequence[float]) -> Interval | None:
    """Mean of one value a seed with Student's interval of 95 %; of a single seed there is none.

    Args:
        values: of n seeds; for paired seeds their differences.

    Returns:
        ``None`` without any value.
    """
    from scipy.stats import t

    count = len(values)
    if not count:
        return None
    mean = float(np.mean(values))
    if count == 1:
        return Interval(mean, None, None, 1, "seeds")
    half = float(t.ppf((1 + LEVEL) / 2, count - 1)) * float(np.std(values, ddof=1)) / math.sqrt(count)
    return Interval(mean, mean - half, mean + half, count, "seeds")


def paired_by_example(right: np.ndarray, baseline_right: np.ndarray) -> Interval:
    """Difference of two accuracies on the same examples, for one seed.

    Args:
        right: whether each example ``[N]`` is predicted right.
        baseline_right: the same of the baseline.
    """
    found = paired_accuracy(right, baseline_right, LEVEL)
    return Interval(found.value, found.low, found.high, len(right), "examples")

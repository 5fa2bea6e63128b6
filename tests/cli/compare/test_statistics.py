"""Intervals against SciPy's, and against drawing examples one by one."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from textssl.cli.compare.statistics import mean_interval, paired_by_example


@pytest.mark.parametrize("values", [[0.01, 0.03], [0.02, -0.01, 0.05, 0.0, 0.013]])
def test_interval_over_seeds_is_students(values: list[float]) -> None:
    found, expected = mean_interval(values), stats.ttest_1samp(values, 0.0).confidence_interval(0.95)
    assert found is not None
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    assert (found.mean, found.count, found.over) == (pytest.approx(sum(values) / len(values)), len(values), "seeds")


def test_one_seed_has_no_interval_and_none_has_no_mean() -> None:
    found = mean_interval([0.25])
    assert found is not None
    assert (found.mean, found.low, found.high, found.count) == (0.25, None, None, 1)
    assert mean_interval([]) is None


def test_equal_seeds_have_an_empty_interval() -> None:
    found = mean_interval([0.1, 0.1, 0.1])
    assert found is not None
    assert (found.low, found.high) == pytest.approx((0.1, 0.1))


def test_one_seed_is_compared_by_example() -> None:
    rng = np.random.default_rng(3)
    baseline = rng.random(400) < 0.7
    right = np.where(rng.random(400) < 0.2, ~baseline, baseline)
    found = paired_by_example(right, baseline)
    drawn = rng.integers(400, size=(2000, 400))
    low, high = np.quantile((right[drawn].astype(float) - baseline[drawn]).mean(1), [0.025, 0.975])
    assert found.mean == pytest.approx(right.mean() - baseline.mean())
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.012)
    assert (found.count, found.over) == (400, "examples")

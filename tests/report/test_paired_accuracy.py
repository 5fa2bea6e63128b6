"""Intervals of paired differences: published values, limits, and how often they hold the truth."""

from __future__ import annotations

import numpy as np
import pytest

from textssl import UserError
from textssl.report.paired_accuracy import paired_accuracy, paired_mean


def rights(both: int, ours: int, theirs: int, neither: int) -> tuple[list[bool], list[bool]]:
    first = [True] * (both + ours) + [False] * (theirs + neither)
    return first, [True] * both + [False] * ours + [True] * theirs + [False] * neither


def test_the_interval_is_the_published_one() -> None:
    """Newcombe (1998), method 10, for the table 36, 12, 2, 0."""
    found = paired_accuracy(*rights(36, 12, 2, 0))
    assert [round(value, 4) for value in found] == [0.2, 0.0569, 0.3404]


def test_the_other_way_round_is_the_mirror_image() -> None:
    first, second = rights(20, 9, 4, 7)
    there, back = paired_accuracy(first, second), paired_accuracy(second, first)
    assert there == pytest.approx((-back.value, -back.high, -back.low))


def test_classifiers_that_agree_leave_a_doubt() -> None:
    gap = paired_accuracy(*rights(30, 0, 0, 10))
    assert gap.value == 0
    assert gap.low < 0 < gap.high


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    rng, shares = np.random.default_rng(0), [0.6, 0.15, 0.1, 0.15]
    tables = rng.multinomial(80, shares, size=800)
    held = [gap.low <= 0.05 <= gap.high for gap in (paired_accuracy(*rights(*table)) for table in tables.tolist())]
    assert 0.92 < np.mean(held) < 0.98


def test_a_mean_difference_is_that_of_the_pairs() -> None:
    from scipy.stats import norm

    values, others = np.array([0.5, 0.2, 0.9, 0.4]), np.array([0.1, 0.3, 0.5, 0.4])
    found = paired_mean(values, others, level=0.9)
    gaps = values - others
    low, high = norm.interval(0.9, gaps.mean(), gaps.std(ddof=1) / 2)
    assert found == pytest.approx((gaps.mean(), low, high))


@pytest.mark.parametrize("pair", [([], []), ([True], [True, False])])
def test_what_does_not_pair_is_refused(pair: tuple[list[bool], list[bool]]) -> None:
    with pytest.raises(UserError, match="right and other"):
        paired_accuracy(*pair)

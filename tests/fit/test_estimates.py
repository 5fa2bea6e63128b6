"""Expected accuracy and its interval."""

from __future__ import annotations

import numpy as np
import pytest

from textssl.fit.estimates import expected_scores
from textssl.fit.out_of_fold import OutOfFold


def told(right: int, count: int) -> OutOfFold:
    labels = np.arange(count) % 2
    predicted = np.where(np.arange(count) < right, labels, 1 - labels)
    return OutOfFold(4.0 * np.eye(2)[predicted][None], labels, (np.arange(count) // 2 % 5)[None])


def test_more_labels_make_the_interval_smaller_around_the_share_that_is_right() -> None:
    few, many = (expected_scores(told(count * 4 // 5, count), None, 0.0, 0)[0] for count in (20, 2000))
    assert many.value == pytest.approx(0.8, abs=0.01)
    assert few.low < many.low < 0.8 < many.high < few.high
    # Five folds make nine labels four, and each of them counts half.
    deviation = np.sqrt(0.8 * 0.2 / (2000 / 2.25 / 2))
    assert many.high - many.low == pytest.approx(2 * 1.645 * deviation, rel=0.1)


def test_optimism_lowers_the_lower_end_by_all_and_the_value_by_half_of_it() -> None:
    plain, lowered = (expected_scores(told(80, 100), None, bias, 0)[0] for bias in (0.0, 0.1))
    assert plain.low - lowered.low == pytest.approx(0.1)
    assert plain.value - lowered.value == pytest.approx(0.05)
    assert plain.high == lowered.high

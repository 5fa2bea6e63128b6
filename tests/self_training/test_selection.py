"""Selection of pseudo-labels: small cases worked by hand."""

from __future__ import annotations

import numpy as np
import pytest

from textssl.errors import UserError
from textssl.self_training.selection import select_pseudo_labels


# Likeliest class and confidence: 0 .9, 1 .6, 0 .7, 1 .8, 0 .5
PROBS = np.array([[0.9, 0.1], [0.4, 0.6], [0.7, 0.3], [0.2, 0.8], [0.5, 0.5]])


def test_a_threshold_keeps_what_is_sure_enough() -> None:
    kept = select_pseudo_labels(PROBS, threshold=0.7)
    assert kept.rows.tolist() == [0, 2, 3]
    assert kept.labels.tolist() == [0, 0, 1]
    assert kept.confidence.tolist() == [0.9, 0.7, 0.8]
    assert kept.available.tolist() == kept.counts.tolist() == [2, 1]
    assert select_pseudo_labels(PROBS).rows.tolist() == [0, 1, 2, 3, 4]


def test_the_most_confident_of_each_class() -> None:
    kept = select_pseudo_labels(PROBS, per_class=1)
    assert kept.rows.tolist() == [0, 3]
    assert kept.available.tolist() == [3, 2]
    assert select_pseudo_labels(PROBS, total=2).rows.tolist() == [0, 3]
    assert select_pseudo_labels(PROBS, total=3).rows.tolist() == [0, 2, 3]


def test_equally_sure_examples_are_taken_in_their_order() -> None:
    assert select_pseudo_labels(np.full((4, 2), 0.5), per_class=2).rows.tolist() == [0, 1]


def test_the_ratio_of_the_labeled_data_is_kept() -> None:
    """2 : 1 of 3 and 2 examples: at most 3 of the first, so 1.5 of the second, in whole numbers 3 and 1."""
    kept = select_pseudo_labels(PROBS, balance="labeled", prior=[2 / 3, 1 / 3])
    assert kept.counts.tolist() == [3, 1]
    assert kept.rows.tolist() == [0, 2, 3, 4]
    assert select_pseudo_labels(PROBS, balance="uniform").counts.tolist() == [2, 2]
    assert select_pseudo_labels(PROBS, balance="uniform", total=2).rows.tolist() == [0, 3]
    assert select_pseudo_labels(PROBS, balance="labeled", prior=[0.0, 1.0]).rows.tolist() == [1, 3]


def test_the_geometric_mean_of_labeled_and_predicted_shares() -> None:
    """Labeled 1 : 1, predicted 4 : 1, so 2 : 1; the two rows of the scarcer class allow four of the other."""
    probs = np.array([[0.95, 0.05]] * 6 + [[0.35, 0.65]] * 2)
    kept = select_pseudo_labels(probs, balance="sqrt", prior=[0.5, 0.5])
    assert kept.shares == pytest.approx([2 / 3, 1 / 3])
    assert kept.counts.tolist() == [4, 2]
    assert kept.facts()["shares"] == pytest.approx([2 / 3, 1 / 3])


def test_estimated_shares_are_half_shrunk_to_the_labeled_ones() -> None:
    """Predictions that leave no doubt, 3 : 1, are their own estimate; half-way to 1 : 1 they are 5 : 3."""
    probs = np.array([[1.0, 0.0]] * 6 + [[0.0, 1.0]] * 2)
    kept = select_pseudo_labels(probs, balance="estimated", prior=[0.5, 0.5])
    assert kept.shares == pytest.approx([5 / 8, 3 / 8])
    assert kept.counts.tolist() == [3, 2]
    before = select_pseudo_labels(probs, balance="estimated", prior=[0.5, 0.5], shares=[3, 1])
    assert before.counts.tolist() == [6, 2]


@pytest.mark.parametrize("balance", ["sqrt", "estimated"])
def test_shares_that_are_guessed_leave_out_a_class_that_nothing_is_sure_of(balance: str) -> None:
    """By symmetry the other two are alike."""
    probs = np.array([[0.8, 0.1, 0.1]] * 3 + [[0.1, 0.8, 0.1]] * 3)
    kept = select_pseudo_labels(probs, balance=balance, prior=[1 / 3] * 3)
    assert kept.counts.tolist() == [3, 3, 0]
    with pytest.raises(UserError, match="balance: got 'labeled', and no example is sure enough for class 2"):
        select_pseudo_labels(probs, balance="labeled", prior=[1 / 3] * 3)


def test_the_ratio_is_exact_in_large_numbers() -> None:
    rng = np.random.default_rng(0)
    probs = rng.dirichlet([1, 1, 1], 9000)
    kept = select_pseudo_labels(probs, balance="labeled", prior=[0.5, 0.3, 0.2], total=1000)
    assert kept.counts.tolist() == [500, 300, 200]
    for c in range(3):
        mine = probs[kept.rows[kept.labels == c], c]
        others = np.setdiff1d(np.flatnonzero(probs.argmax(1) == c), kept.rows)
        assert mine.min() >= probs[others, c].max()


def test_small_classes_are_duplicated() -> None:
    """Three and two examples to five each: one copy and two more; two copies and one more."""
    kept = select_pseudo_labels(PROBS, per_class=5, balance="duplicate")
    assert kept.counts.tolist() == [5, 5]
    assert kept.distinct.tolist() == [3, 2]
    times = np.bincount(kept.rows, minlength=5)
    assert times[[0, 2, 4]].min() == 1
    assert times[[0, 2, 4]].max() == 2
    assert sorted(times[[1, 3]].tolist()) == [2, 3]
    again = select_pseudo_labels(PROBS, per_class=5, balance="duplicate")
    assert kept.rows.tolist() == again.rows.tolist()
    assert select_pseudo_labels(PROBS, balance="duplicate").counts.tolist() == [3, 3]
    assert "0: 3 of 3, with copies 5; 1: 2 of 2" in kept.describe()


def test_a_class_that_nothing_is_sure_of_is_seen_in_the_counts() -> None:
    kept = select_pseudo_labels(PROBS, threshold=0.85, balance="duplicate", per_class=2)
    assert kept.counts.tolist() == [2, 0]
    with pytest.raises(UserError, match="no example is sure enough for class 1"):
        select_pseudo_labels(PROBS, threshold=0.85, balance="uniform")


def test_a_threshold_that_keeps_nothing_tells_the_highest_confidence() -> None:
    with pytest.raises(UserError, match=r"threshold: got 0.95, which keeps nothing; the highest confidence is 0.9000"):
        select_pseudo_labels(PROBS, threshold=0.95)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"threshold": 1.5}, "threshold: got 1.5"),
        ({"per_class": 0}, "per_class: got 0"),
        ({"total": -1}, "total: got -1"),
        ({"balance": "even"}, "balance: got 'even'; allowed: none, labeled, uniform, sqrt, estimated, duplicate"),
        ({"balance": "duplicate", "total": 4}, "total: got 4"),
        ({"balance": "labeled", "prior": [1.0]}, "prior"),
        ({"balance": "labeled"}, "balance: got 'labeled', which needs labeled examples"),
        ({"balance": "estimated"}, "balance: got 'estimated', which needs labeled examples"),
        ({"shares": [0.5, -0.5]}, "shares: got"),
    ],
)
def test_settings_out_of_range(settings: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        select_pseudo_labels(PROBS, **settings)


def test_logits_are_refused() -> None:
    with pytest.raises(UserError, match=r"probs: -1\.0 is negative"):
        select_pseudo_labels(np.array([[2.0, -1.0]]))
    with pytest.raises(UserError, match=r"probs: expected \[N, C\], got shape \[3\]"):
        select_pseudo_labels(np.ones(3))

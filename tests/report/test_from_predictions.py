"""Parts of a report from probabilities: worked by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import log_loss

from textssl.report.from_predictions import candidates_of, log_losses, mistakes_of, verdicts
from textssl.report.parts import Item


NAMES = ("no", "yes")
LABELS = np.array([0, 0, 1, 1])
PROBS = np.array([[0.9, 0.1], [0.3, 0.7], [0.2, 0.8], [0.95, 0.05]])


def test_mistakes_come_most_confident_first() -> None:
    found = mistakes_of(LABELS, PROBS, NAMES, lambda place: Item(text=f"text {place}"), rows=[10, 11, 12, 13])
    assert [(m.item.text, m.label, m.predicted, m.confidence, m.row) for m in found] == [
        ("text 3", "yes", "no", 0.95, 13),
        ("text 1", "no", "yes", 0.7, 11),
    ]
    assert len(mistakes_of(LABELS, PROBS, NAMES, lambda place: Item(), count=1)) == 1


def test_log_losses_are_scikit_learns() -> None:
    assert log_losses(LABELS, PROBS).mean() == pytest.approx(log_loss(LABELS, PROBS))
    assert math.isfinite(log_losses(np.array([1]), np.array([[1.0, 0.0]]))[0])


def probs_of(right: list[bool], confidence: float = 0.8) -> np.ndarray:
    """Of class 0 for all."""
    return np.array([[confidence, 1 - confidence] if hit else [1 - confidence, confidence] for hit in right])


def test_the_baseline_comes_first_and_has_no_difference() -> None:
    labels = np.zeros(10, np.int64)
    probs = {"b": probs_of([True] * 9 + [False]), "a": probs_of([True] * 6 + [False] * 4)}
    first, second = candidates_of(labels, probs, "b", "a", {"b": 2.0}, 0.95)
    assert (first.name, first.mean, first.difference, first.chosen) == ("a", 0.6, None, False)
    assert (second.name, second.scores, second.chosen, second.seconds) == ("b", (0.9,), True, 2.0)
    assert second.difference == pytest.approx(0.3)
    assert second.difference_low is not None
    assert second.low < 0.9 < second.high  # type: ignore[operator]


@pytest.mark.parametrize(
    ("ours", "theirs", "said"),
    [
        (90, 60, "is more accurate than other by 30.0 points"),
        (60, 90, "lost to other: it is less accurate by 30.0 points"),
        (61, 60, "cannot be told apart by accuracy: 1.0 points more"),
        (60, 60, "the same accuracy"),
    ],
)
def test_a_verdict_says_who_won(ours: int, theirs: int, said: str) -> None:
    labels = np.zeros(100, np.int64)
    probs = {
        name: probs_of([place < right for place in range(100)]) for name, right in (("own", ours), ("other", theirs))
    }
    own, against = verdicts(labels, probs, "own", ["other"], "100 held-out examples")
    assert own.startswith(f"own: accuracy {ours:.1f} % (")
    assert "on 100 held-out examples" in own
    assert said in against


def test_overconfidence_is_told_where_accuracy_is_the_same() -> None:
    labels = np.zeros(100, np.int64)
    right = [place < 70 for place in range(100)]
    probs = {"own": probs_of(right, 0.999), "other": probs_of(right, 0.7)}
    assert (
        "its log-loss is worse, 2.073 against 0.611: it is too sure"
        in verdicts(labels, probs, "own", ["other"], "")[1]
    )
    assert "its log-loss is better" in verdicts(labels, probs, "other", ["own"], "")[1]

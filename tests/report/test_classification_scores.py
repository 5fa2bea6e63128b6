"""Scores of a classifier against scikit-learn, scipy, and naive loops."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.metrics import confusion_matrix, f1_score, log_loss, precision_recall_fscore_support

from textssl.errors import UserError
from textssl.report.classification_scores import classification_scores, macro_f1_interval, wilson_interval


def drawn(seed: int, count: int, classes: int, labels_up_to: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, labels_up_to or classes, count)
    logits = rng.normal(size=(count, classes))
    logits[np.arange(count), labels] += 1.5
    probs = np.exp(logits)
    return labels, probs / probs.sum(1, keepdims=True)


@pytest.mark.parametrize(
    ("count", "classes", "labels_up_to"), [(1, 2, None), (40, 2, 1), (300, 5, 3), (200, 40, None)]
)
def test_scores_are_those_of_scikit_learn(count: int, classes: int, labels_up_to: int | None) -> None:
    labels, probs = drawn(count, count, classes, labels_up_to)
    scores, predicted = classification_scores(labels, probs), probs.argmax(1)
    numbers = list(range(classes))
    assert scores.examples == count
    assert scores.accuracy == pytest.approx((labels == predicted).mean())
    assert scores.macro_f1 == pytest.approx(f1_score(labels, predicted, average="macro", zero_division=0))
    assert scores.log_loss == pytest.approx(log_loss(labels, probs, labels=numbers))
    assert np.array_equal(scores.confusion, confusion_matrix(labels, predicted, labels=numbers))
    expected = precision_recall_fscore_support(labels, predicted, labels=numbers, zero_division=0)
    found = [(each.precision, each.recall, each.f1, each.support) for each in scores.per_class]
    assert np.allclose(np.array(found).T, np.array(expected, dtype=float))
    assert [each.predicted for each in scores.per_class] == [int((predicted == number).sum()) for number in numbers]
    json.dumps(scores.as_dict(), allow_nan=False)


def test_calibration_is_that_of_a_loop_over_examples() -> None:
    labels, probs = drawn(3, 500, 3)
    scores = classification_scores(labels, probs, ["a", "b", "c"], bins=10)
    assert sum(each.count for each in scores.reliability) == 500
    error = 0.0
    for each in scores.reliability:
        inside = [row for row in range(500) if each.low <= probs[row].max() < each.high]
        assert each.count == len(inside)
        if not inside:
            assert each.confidence is each.accuracy is None
            continue
        accuracy = sum(probs[row].argmax() == labels[row] for row in inside) / len(inside)
        confidence = sum(probs[row].max() for row in inside) / len(inside)
        assert (each.accuracy, each.confidence) == pytest.approx((accuracy, confidence))
        error += abs(accuracy - confidence) * len(inside) / 500
    assert scores.calibration_error == pytest.approx(error)
    assert scores.reliability[0].low == 0.0
    assert scores.reliability[-1].high == 1.0


def test_a_confidence_of_one_is_in_the_last_bin_and_a_probability_of_zero_has_a_finite_loss() -> None:
    scores = classification_scores([0, 1], [[1.0, 0.0], [1.0, 0.0]])
    assert scores.reliability[-1].count == 2
    assert scores.calibration_error == pytest.approx(0.5)
    assert scores.log_loss == pytest.approx(log_loss([0, 1], np.array([[1.0, 0.0], [1.0, 0.0]])))


@pytest.mark.parametrize(("right", "count"), [(0, 1), (1, 1), (0, 20), (20, 20), (7, 20), (9731, 10000)])
def test_the_interval_of_accuracy_is_wilsons(right: int, count: int) -> None:
    expected = binomtest(right, count).proportion_ci(0.95, method="wilson")
    assert wilson_interval(right, count) == pytest.approx((expected.low, expected.high))


def test_the_interval_of_macro_f1_is_that_of_drawing_examples_again() -> None:
    labels, probs = drawn(5, 150, 3)
    predicted, rng = probs.argmax(1), np.random.default_rng(11)
    draws = [rng.integers(0, 150, 150) for _ in range(600)]
    naive = [f1_score(labels[rows], predicted[rows], average="macro", zero_division=0) for rows in draws]
    counts = confusion_matrix(labels, predicted)
    found = macro_f1_interval(counts)
    assert found == pytest.approx(np.quantile(naive, [0.025, 0.975]), abs=0.015)
    assert found == macro_f1_interval(counts)
    assert macro_f1_interval(np.diag([10, 10])) == (1.0, 1.0)


@pytest.mark.parametrize(
    ("labels", "probs", "names", "said"),
    [
        ([], np.zeros((0, 2)), None, "at least one"),
        ([0], [0.5, 0.5], None, "shapes"),
        ([2], [[0.5, 0.5]], None, "from 0 to 1"),
        ([-1], [[0.5, 0.5]], None, "from 0 to 1"),
        ([0.5], [[0.5, 0.5]], None, "class numbers"),
        ([0], [[2.0, -1.0]], None, "not probabilities"),
        ([0], [[float("nan"), 0.5]], None, "not probabilities"),
        ([0], [[3.0, 1.0]], None, "not probabilities"),
        ([0], [[0.5, 0.5]], ["a"], "names of 2 classes"),
    ],
)
def test_what_cannot_be_scored_is_refused(labels: object, probs: object, names: list[str] | None, said: str) -> None:
    with pytest.raises(UserError, match=said):
        classification_scores(labels, probs, names)  # type: ignore[arg-type]

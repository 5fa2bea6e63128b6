"""The logistic regression against scikit-learn's, and what scikit-learn's does not do."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from textssl.fit.probe import LinearHead, fit_probe


def drawn(examples: int, dimensions: int, classes: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(examples + dimensions + classes)
    features = rng.normal(size=(examples, dimensions)).astype(np.float32)
    labels = np.r_[np.arange(classes), rng.integers(classes, size=examples - classes)]
    return features + np.eye(classes, dimensions)[labels], labels


def peer(features: np.ndarray, labels: np.ndarray, weights: np.ndarray | None = None, C: float = 10.0) -> LinearHead:
    model = LogisticRegression(C=C, tol=1e-10, max_iter=10_000)
    model.fit(features.astype(np.float64), labels, sample_weight=weights)
    return LinearHead(model.coef_, model.intercept_)


def assert_same(left: LinearHead, right: LinearHead) -> None:
    np.testing.assert_allclose(left.weight, right.weight, atol=2e-4)
    np.testing.assert_allclose(left.bias, right.bias, atol=2e-4)


@pytest.mark.parametrize(("examples", "dimensions"), [(20, 64), (64, 64), (300, 16)])
@pytest.mark.parametrize("C", [0.5, 10.0])
def test_hard_labels_give_the_coefficients_of_scikit_learn(examples: int, dimensions: int, C: float) -> None:
    features, labels = drawn(examples, dimensions, 4)
    assert_same(fit_probe(features, labels, 4, C=C, tolerance=1e-9), peer(features, labels, C=C))


def test_two_classes_are_softmax_too() -> None:
    """Scikit-learn's two classes are one logistic unit: the same model with half the penalty on its weights."""
    features, labels = drawn(40, 8, 2)
    head, one = fit_probe(features, labels, 2, C=3.0, tolerance=1e-9), peer(features, labels, C=6.0)
    np.testing.assert_allclose(head.weight[1] - head.weight[0], one.weight[0], atol=2e-4)
    np.testing.assert_allclose(head.bias[1] - head.bias[0], one.bias[0], atol=2e-4)


def test_weights_are_those_of_scikit_learn_and_zero_leaves_an_example_out() -> None:
    features, labels = drawn(60, 12, 3)
    weights = np.random.default_rng(0).uniform(0.1, 2, size=60)
    weights[40:] = 0
    head = fit_probe(features, labels, 3, weights=weights, tolerance=1e-9)
    assert_same(head, peer(features, labels, weights))
    assert_same(head, fit_probe(features[:40], labels[:40], 3, weights=weights[:40], tolerance=1e-9))


@pytest.mark.parametrize("dimensions", [6, 80])
def test_soft_targets_are_weighted_copies_of_the_example_one_for_each_class(dimensions: int) -> None:
    features, _ = drawn(40, dimensions, 3)
    rng = np.random.default_rng(1)
    targets = rng.dirichlet(np.ones(3), size=40)
    weights = rng.uniform(0.5, 1.5, size=40)
    copies = peer(np.repeat(features, 3, 0), np.tile(np.arange(3), 40), (weights[:, None] * targets).ravel())
    assert_same(fit_probe(features, targets, 3, weights=weights, tolerance=1e-9), copies)


@pytest.mark.parametrize("examples", [30, 200])
def test_a_start_changes_the_time_and_not_the_solution(examples: int) -> None:
    features, labels = drawn(examples, 40, 4)
    rng = np.random.default_rng(2)
    start = LinearHead(rng.normal(size=(4, 40)), rng.normal(size=4))
    started = fit_probe(features, labels, 4, start=start, tolerance=1e-9)
    plain = fit_probe(features, labels, 4, tolerance=1e-9)
    np.testing.assert_allclose(started.probs(features), plain.probs(features), atol=1e-5)
    np.testing.assert_allclose(started.weight, plain.weight, atol=2e-3)


def test_a_class_without_examples_is_never_predicted_and_no_error() -> None:
    features, labels = drawn(30, 8, 3)
    moved = np.array([0, 2, 4])[labels]
    head, three = fit_probe(features, moved, 5, tolerance=1e-9), peer(features, labels)
    assert head.weight.shape == (5, 8)
    assert_same(LinearHead(head.weight[[0, 2, 4]], head.bias[[0, 2, 4]]), three)
    assert head.probs(features)[:, [1, 3]].max() < 1e-4


def test_one_class_alone_is_predicted() -> None:
    head = fit_probe(np.ones((2, 3)), np.array([1, 1]), 2)
    assert head.probs(np.zeros((1, 3)))[0, 1] > 0.999


def test_scaled_and_probs() -> None:
    head = LinearHead(np.array([[1.0, 0.0], [0.0, 2.0]]), np.array([0.5, -0.5]))
    np.testing.assert_allclose(head.scaled(2.0).logits(np.array([[1.0, 1.0]])), [[0.75, 0.75]])
    np.testing.assert_allclose(head.probs(np.array([[1.0, 1.0]])), [[0.5, 0.5]])


@pytest.mark.parametrize(
    ("targets", "weights"), [(np.zeros(3, int), None), (np.zeros((4, 3)), None), (np.zeros(4, int), np.zeros(4))]
)
def test_shapes_that_do_not_agree_and_no_example_are_refused(targets: np.ndarray, weights: np.ndarray | None) -> None:
    with pytest.raises(ValueError, match=r"features|labels_or_probs"):
        fit_probe(np.ones((4, 2)), targets, 2, weights=weights)

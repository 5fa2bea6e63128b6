"""Self-training against a naive loop over scikit-learn's logistic regression."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from tests.fit.fit_data import fit_data
from textssl.fit.candidates import self_training
from textssl.fit.candidates.heads import Probe
from textssl.fit.candidates.self_training import SelfTraining, margins, most_confident_per_class
from textssl.fit.data import FitData


def half_shrunk(probs: np.ndarray, prior: list[float]) -> list[float]:
    """Expectation maximisation, each step half-way back to the labeled shares, in loops."""
    shares = prior
    for _ in range(100):
        sums = [0.0] * len(prior)
        for row in probs:
            weighed = [p * s / w for p, s, w in zip(row, shares, prior, strict=True)]
            sums = [a + b / sum(weighed) for a, b in zip(sums, weighed, strict=True)]
        shares = [0.5 * a / len(probs) + 0.5 * w for a, w in zip(sums, prior, strict=True)]
    return shares


def naive(data: FitData, align: str) -> np.ndarray:
    """Probabilities of the unlabeled examples after five rounds."""
    X, y, U = data.labeled.features, data.labels, data.unlabeled.features
    model = LogisticRegression(C=10, tol=1e-10, max_iter=10_000).fit(X, y)
    prior = [np.mean(y == c) for c in range(data.num_labels)]
    if align == "estimated":
        prior = half_shrunk(model.predict_proba(U), prior)
    for fifths in (1, 2, 3, 4, 5):
        probs = model.predict_proba(U)
        if align != "none":
            mean = probs.mean(0)
            probs = np.array([[p * w / m for p, w, m in zip(row, prior, mean, strict=True)] for row in probs])
            probs = np.array([row / row.sum() for row in probs])
        rows, labels, weights = [], [], []
        for c in range(data.num_labels):
            mine = sorted((i for i in range(len(U)) if probs[i].argmax() == c), key=lambda i: -probs[i, c])
            for i in mine[: -(-fifths * len(mine) // 5)]:
                first, second = sorted(probs[i])[::-1][:2]
                rows, labels, weights = [*rows, i], [*labels, c], [*weights, first - second]
        scaled = np.array(weights) / max(weights)
        model = LogisticRegression(C=10, tol=1e-10, max_iter=10_000).fit(
            np.concatenate([X, U[rows]]), np.concatenate([y, labels]), np.concatenate([np.ones(len(y)), scaled])
        )
    return model.predict_proba(U)


@pytest.mark.parametrize("align", ["none", "labeled", "estimated"])
def test_five_rounds_are_those_of_a_naive_loop(align: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(self_training, "TOLERANCE", 1e-9)
    data = fit_data(labeled=9, unlabeled=47, noise=0.3)
    logits = SelfTraining(align).train(data, tmp_path).logits(data.unlabeled)
    probs = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    np.testing.assert_allclose(probs, naive(data, align), atol=1e-3)


def test_unlabeled_examples_help_where_they_lie_in_clusters(tmp_path: Path) -> None:
    data = fit_data(labeled=3, unlabeled=300, noise=0.28, seed=4)
    truth = np.arange(3, 303) % 3
    before, after = (c.train(data, tmp_path).logits(data.unlabeled).argmax(1) for c in (Probe(), SelfTraining()))
    assert (before == truth).mean() + 0.02 < (after == truth).mean()


def test_the_most_confident_of_each_predicted_class() -> None:
    probs = np.array([[0.9, 0.1], [0.6, 0.4], [0.8, 0.2], [0.3, 0.7], [0.7, 0.3]])
    assert most_confident_per_class(probs, 0.5).tolist() == [0, 2, 3]
    assert most_confident_per_class(probs, 1.0).tolist() == [0, 1, 2, 3, 4]
    assert most_confident_per_class(probs, 0.0).tolist() == [0, 3]
    assert most_confident_per_class(np.empty((0, 2)), 0.5).tolist() == []


def test_margins_are_those_to_the_next_class() -> None:
    probs = np.array([[0.5, 0.3, 0.2], [0.1, 0.8, 0.1], [0.4, 0.2, 0.4]])
    np.testing.assert_allclose(margins(probs), [0.2 / 0.7, 1.0, 0.0])

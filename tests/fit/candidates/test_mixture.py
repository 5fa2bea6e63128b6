"""The mixture of Gaussians against scikit-learn's linear discriminant."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from tests.fit.fit_data import fit_data
from textssl.fit.candidates.mixture import Mixture, gaussian_head


def test_with_hard_labels_it_is_the_shrunk_linear_discriminant() -> None:
    rng = np.random.default_rng(0)
    labels = rng.choice(3, size=200, p=[0.6, 0.3, 0.1])
    features = rng.normal(size=(200, 6)) @ rng.normal(size=(6, 6)) + 3 * np.eye(3, 6)[labels]
    head = gaussian_head(features, np.eye(3)[labels], np.ones(3, bool))
    peer = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.5).fit(features, labels)
    np.testing.assert_allclose(head.probs(features), peer.predict_proba(features), atol=1e-8)


def test_weights_are_repeated_examples_and_soft_ones_are_shared() -> None:
    rng = np.random.default_rng(1)
    features = rng.normal(size=(12, 4))
    weights = np.tile([[2.0, 1.0], [1.0, 0.0], [0.0, 3.0]], (4, 1))
    rows = [(i, c) for i in range(12) for c in range(2) for _ in range(int(weights[i, c]))]
    copies, labels = features[[i for i, _ in rows]], np.array([c for _, c in rows])
    one = gaussian_head(features, weights, np.ones(2, bool))
    two = gaussian_head(copies, np.eye(2)[labels], np.ones(2, bool))
    np.testing.assert_allclose(one.weight, two.weight)
    np.testing.assert_allclose(one.bias, two.bias)


def test_a_class_without_weight_is_never_predicted() -> None:
    rng = np.random.default_rng(2)
    features, labels = rng.normal(size=(30, 4)), np.arange(30) % 2
    head = gaussian_head(features, np.eye(3)[labels], np.array([True, True, False]))
    two = gaussian_head(features, np.eye(2)[labels], np.ones(2, bool))
    np.testing.assert_allclose(head.probs(features)[:, :2], two.probs(features), atol=1e-7)


def test_it_finds_classes_of_unequal_size_from_one_label_each(tmp_path: Path) -> None:
    data = fit_data(labeled=2, unlabeled=400, classes=2, noise=0.25, seed=1)
    truth = np.arange(2, 402) % 2
    # All examples of the first class, a tenth of the second.
    rows = np.flatnonzero((truth == 0) | (np.arange(400) % 20 == 1))
    uneven = replace(data, unlabeled=data.unlabeled.take(rows))
    found = Mixture().train(uneven, tmp_path).logits(uneven.unlabeled).argmax(1)
    assert (found == truth[rows]).mean() > 0.98

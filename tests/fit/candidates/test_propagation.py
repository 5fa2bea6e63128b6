"""Propagation against the functional, and its head against scikit-learn's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from tests.fit.fit_data import fit_data
from textssl.fit.candidates import propagation
from textssl.fit.candidates.propagation import Propagation, spread_labels
from textssl.functional import propagate_labels


def test_the_head_has_learned_what_the_graph_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(propagation, "TOLERANCE", 1e-9)
    data = fit_data(labeled=9, unlabeled=71)
    features = np.concatenate([data.labeled.features, data.unlabeled.features])
    known = torch.cat([torch.from_numpy(data.labels), torch.full((71,), -1)])
    probs = propagate_labels(torch.from_numpy(features), known, 3, k=20, gamma=3.0, alpha=0.9)[0].double().numpy()
    ahead = np.array([sorted(row)[-1] - sorted(row)[-2] for row in probs[9:]])
    model = LogisticRegression(C=10, tol=1e-10, max_iter=10_000)
    model.fit(features, probs.argmax(1), np.concatenate([np.ones(9), ahead / ahead.max()]))
    logits = Propagation().train(data, tmp_path).logits(data.unlabeled)
    found = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    np.testing.assert_allclose(found, model.predict_proba(data.unlabeled.features), atol=1e-3)


def test_a_class_without_labels_receives_nothing() -> None:
    data = fit_data(labeled=8, unlabeled=40, classes=4)
    features = np.concatenate([data.labeled.features[[0, 2, 4, 6]], data.unlabeled.features])
    probs = spread_labels(features, data.labels[[0, 2, 4, 6]], 4)
    assert probs.shape == (44, 4)
    assert not probs[:, [1, 3]].any()
    np.testing.assert_allclose(probs.sum(1), 1, atol=1e-6)


def test_labels_of_one_class_are_those_of_all() -> None:
    np.testing.assert_array_equal(spread_labels(np.ones((5, 2), np.float32), np.array([1, 1]), 3), np.eye(3)[[1] * 5])

"""Candidates that take descriptions of classes for evidence."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression

from tests.fit.fit_data import fit_data
from textssl.fit.candidates.heads import HeadCandidate, Probe
from textssl.fit.candidates.named import NamesPrior, NamesProbe, NamesSelfTraining, named_candidates
from textssl.fit.data import FitData
from textssl.fit.probe import LinearHead, fit_probe


TRUTH = np.arange(150) % 3


def told(labeled: int = 3, noise: float = 0.45, right: bool = True) -> FitData:
    data = fit_data(labeled=labeled, unlabeled=150, noise=noise)
    centres = np.stack([data.unlabeled.features[c == TRUTH].mean(0) for c in range(3)])
    if not right:
        centres = np.random.default_rng(3).normal(size=centres.shape)
    return replace(data, prototypes=centres.astype(np.float32), prototype_labels=np.arange(3))


def accuracy(candidate: HeadCandidate, data: FitData, folder: Path) -> float:
    return float((candidate.train(data, folder).logits(data.unlabeled).argmax(1) == TRUTH).mean())


def test_descriptions_are_examples_of_their_classes(tmp_path: Path) -> None:
    data = told()
    features = np.concatenate([data.labeled.features, data.prototypes])
    peer = LogisticRegression(C=10, tol=1e-10, max_iter=10_000).fit(features, [*data.labels, 0, 1, 2])
    logits = NamesProbe().train(data, tmp_path).logits(data.unlabeled)
    probs = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    np.testing.assert_allclose(probs, peer.predict_proba(data.unlabeled.features), atol=1e-3)


@pytest.mark.parametrize("candidate", [NamesProbe(), NamesSelfTraining(), NamesPrior()], ids=lambda c: c.name)
def test_right_descriptions_help_where_labels_are_few(candidate: HeadCandidate, tmp_path: Path) -> None:
    data = told()
    assert accuracy(candidate, data, tmp_path) > accuracy(Probe(), data, tmp_path) + 0.05


@pytest.mark.slow
@pytest.mark.parametrize("candidate", [NamesProbe(), NamesSelfTraining(), NamesPrior()], ids=lambda c: c.name)
def test_a_named_head_is_a_function_of_its_data_and_is_read_as_it_was_written(
    candidate: HeadCandidate, tmp_path: Path
) -> None:
    data = told()
    first = candidate.train(data, tmp_path)
    other = type(candidate)().train(data, tmp_path)
    candidate.train(told(right=False), tmp_path)
    again = candidate.train(data, tmp_path)
    candidate.save(first, tmp_path)
    for trained in (other, again, candidate.load(data, tmp_path)):
        np.testing.assert_array_equal(first.logits(data.unlabeled), trained.logits(data.unlabeled))
    assert candidate.seconds(data) > 0


def test_a_prior_pulls_the_weights_to_its_centre() -> None:
    data = told(labeled=9)
    rng = np.random.default_rng(0)
    centre = LinearHead(rng.normal(size=(3, 16)), rng.normal(size=3))
    inputs, targets = data.labeled.features.astype(float), np.eye(3)[data.labels]

    def loss(flat: np.ndarray) -> float:
        solution = flat.reshape(3, 17)
        total = ((solution[:, :16] - centre.weight) ** 2).sum() / 2
        for x, t in zip(inputs, targets, strict=True):
            logits = solution[:, :16] @ x + solution[:, 16]
            total -= 2.0 * (logits @ t - np.log(np.exp(logits).sum()))
        return float(total)

    found = minimize(loss, np.zeros(51), method="BFGS", options={"gtol": 1e-7}).x.reshape(3, 17)
    head = fit_probe(inputs, data.labels, 3, C=2.0, centre=centre, tolerance=1e-9)
    np.testing.assert_allclose(head.weight, found[:, :16], atol=1e-4)
    # Biases are told apart only by their differences.
    np.testing.assert_allclose(head.bias - head.bias.mean(), found[:, 16] - found[:, 16].mean(), atol=1e-4)


def test_named_candidates_are_tried_where_there_are_descriptions() -> None:
    names = {candidate.name for candidate in named_candidates(told())}
    assert names == {"names-probe", "names-self-training", "names-prior"}
    assert named_candidates(fit_data()) == []
    data = told()
    some = replace(data, prototypes=data.prototypes[:1], prototype_labels=data.prototype_labels[:1])
    assert "names-prior" not in {candidate.name for candidate in named_candidates(some)}

"""Linear heads as candidates."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from tests.fit.fit_data import fit_data
from textssl.fit.candidates import CANDIDATES
from textssl.fit.candidates.base import LEVELS
from textssl.fit.candidates.heads import HeadCandidate, Probe


HEADS = [candidate for candidate in CANDIDATES if isinstance(candidate, HeadCandidate)]


def test_names_are_unique_and_levels_known() -> None:
    names = [candidate.name for candidate in CANDIDATES]
    assert len(set(names)) == len(names)
    assert {candidate.level for candidate in CANDIDATES} <= set(LEVELS)


def test_the_probe_is_logistic_regression_on_the_labeled_embeddings(tmp_path: Path) -> None:
    data = fit_data()
    peer = LogisticRegression(C=10, tol=1e-10, max_iter=10_000).fit(data.labeled.features, data.labels)
    logits = Probe().train(data, tmp_path).logits(data.unlabeled)
    probs = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    np.testing.assert_allclose(probs, peer.predict_proba(data.unlabeled.features), atol=1e-3)


@pytest.mark.parametrize("candidate", HEADS, ids=lambda candidate: candidate.name)
def test_a_head_is_a_function_of_data_and_seed_and_is_read_as_it_was_written(
    candidate: HeadCandidate, tmp_path: Path
) -> None:
    data = fit_data()
    first, second = (candidate.train(data, tmp_path / "work") for _ in range(2))
    assert candidate.seconds(data) > 0
    candidate.save(first, tmp_path / "saved")
    read = candidate.load(data, tmp_path / "saved")
    logits = first.logits(data.unlabeled)
    assert logits.dtype == np.float64
    assert logits.shape == (60, 3)
    np.testing.assert_array_equal(logits, second.logits(data.unlabeled))
    np.testing.assert_array_equal(logits, read.logits(data.unlabeled))
    assert [path.suffix for path in (tmp_path / "saved").iterdir()] == [".safetensors"]


@pytest.mark.parametrize("candidate", HEADS, ids=lambda candidate: candidate.name)
def test_a_head_takes_a_class_without_labels(candidate: HeadCandidate, tmp_path: Path) -> None:
    data = fit_data()
    some = data.take(np.flatnonzero(data.labels != 1))
    logits = candidate.train(some, tmp_path).logits(data.unlabeled)
    assert np.isfinite(logits).all()
    assert not (logits.argmax(1) == 1).any()

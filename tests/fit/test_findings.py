"""Warnings about labels and predictions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.fit.fit_data import fit_data
from textssl.fit.findings import label_warnings, prediction_warnings


def probs_of(counts: list[int]) -> np.ndarray:
    return np.eye(len(counts))[np.repeat(np.arange(len(counts)), counts)] * 0.7 + 0.1


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        ([0, 1, 2], "no class has two labels"),
        ([0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 2], "politics has one label: it is always trained on and never held out"),
        ([0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 2, 2], "politics (2) has fewer than 5 labels"),
        ([0, 0, 0, 0, 0, 1, 1, 1, 1, 1], "politics has no label: it is recognised by its name and description only"),
    ],
)
def test_classes_with_few_labels(labels: list[int], told: str) -> None:
    data = replace(fit_data(labeled=len(labels)), labels=np.array(labels))
    assert any(told in warning for warning in label_warnings(data))
    assert all("\n" not in warning for warning in label_warnings(data))


def test_few_unlabeled_examples_and_none() -> None:
    assert label_warnings(fit_data(labeled=15)) == []
    (told,) = label_warnings(fit_data(labeled=15, unlabeled=0))
    assert told.startswith("there are no unlabeled examples, so only candidates that learn from labels alone")
    (told,) = label_warnings(fit_data(labeled=15, unlabeled=6))
    assert told.startswith("there are fewer unlabeled examples (6) than labeled ones (15)")


def test_a_collapse_other_shares_and_classes_that_are_not_predicted() -> None:
    data = fit_data(labeled=15)
    assert prediction_warnings(data, probs_of([20, 20, 20])) == []
    (collapse,) = prediction_warnings(data, probs_of([58, 1, 1]))
    assert (
        collapse == "collapse: 97% of the unlabeled examples are predicted to be 'sport', which 33% of the labels are"
    )
    shares = prediction_warnings(data, probs_of([40, 20, 0]))
    assert shares[0] == "no unlabeled example is predicted to be politics"
    assert "sport 67% (labels: 33%)" in shares[1]
    # Where the labels say the same, one large class is no collapse.
    large = replace(data, labels=np.array([0] * 13 + [1, 2]))
    assert prediction_warnings(large, probs_of([57, 2, 1])) == []
    assert prediction_warnings(data, np.empty((0, 3))) == []

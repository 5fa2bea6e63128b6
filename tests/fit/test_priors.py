"""Alignment of probabilities with a class distribution, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from textssl.errors import UserError
from textssl.fit.priors import ALIGNMENTS, align_probs, target_prior


PROBS = np.array([[0.9, 0.1], [0.6, 0.4], [0.9, 0.1]])  # mean 0.8, 0.2
LABELED = np.array([0.5, 0.5])


def scaled(first: float, second: float) -> np.ndarray:
    rows = PROBS * [first, second]
    return rows / rows.sum(axis=1, keepdims=True)


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("none", scaled(1, 1)),
        ("labeled", scaled(0.5 / 0.8, 0.5 / 0.2)),
        ("uniform", scaled(0.5 / 0.8, 0.5 / 0.2)),
        # sqrt(0.5 * 0.8) : sqrt(0.5 * 0.2) is 2 : 1.
        ("sqrt", scaled(2 / 0.8, 1 / 0.2)),
        ([0.3, 0.7], scaled(0.3 / 0.8, 0.7 / 0.2)),
        ([3, 7], scaled(0.3 / 0.8, 0.7 / 0.2)),
        ([0, 1], np.array([[0.0, 1.0]] * 3)),
    ],
)
def test_by_hand(how: str | list[float], expected: np.ndarray) -> None:
    np.testing.assert_allclose(align_probs(PROBS, LABELED, how), expected, atol=1e-12)


def test_estimates_are_half_shrunk_to_the_labeled_prior() -> None:
    certain = np.array([[1.0, 0.0]] * 9 + [[0.0, 1.0]])
    # EM of certain rows: 0.5 * 0.9 + 0.5 * 0.5, at every step.
    np.testing.assert_allclose(target_prior(certain, LABELED, "estimated"), [0.7, 0.3])
    told = (np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([0, 1]))
    # Two certain held-out rows: (a - 0.9)^2 * 2 + 0.01 * 2 (a - 0.5)^2 is least at (0.9 + 0.005) / 1.01.
    expected = 0.5 * 0.905 / 1.01 + 0.25
    np.testing.assert_allclose(target_prior(certain, LABELED, "estimated", held_out=told)[0], expected, atol=1e-6)


def test_rows_sum_to_one_whatever_is_asked() -> None:
    probs = np.array([[1.0, 0.0, 0.0], [0.2, 0.8, 0.0], [0.5, 0.5, 0.0]])
    for how in (*ALIGNMENTS, [0.0, 0.5, 0.5]):
        aligned = align_probs(probs, np.array([0.5, 0.0, 0.5]), how)
        assert aligned.dtype == np.float64
        np.testing.assert_allclose(aligned.sum(axis=1), 1)


@pytest.mark.parametrize("how", ALIGNMENTS)
def test_no_rows(how: str) -> None:
    assert align_probs(np.zeros((0, 2)), LABELED, how).shape == (0, 2)


@pytest.mark.parametrize("how", ["labelled", [0.5], [1.0, -1.0], [0.0, 0.0], [float("nan"), 1.0]])
def test_what_cannot_act_is_refused(how: str | list[float]) -> None:
    with pytest.raises(UserError, match="distribution_alignment: got"):
        align_probs(PROBS, LABELED, how)

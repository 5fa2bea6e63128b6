"""Weights of an average of classifiers, against a search of the simplex."""

from __future__ import annotations

import numpy as np
from scipy.special import log_softmax

from textssl.fit.choose import choose
from textssl.fit.out_of_fold import OutOfFold
from textssl.fit.stacking import stacking_weights


def told(seed: int, quality: float, count: int = 60) -> tuple[np.ndarray, np.ndarray]:
    labels = np.arange(count) % 3
    noise = np.random.default_rng(seed).normal(size=(count, 3))
    return noise + quality * np.eye(3)[labels], labels


def test_no_weights_of_a_grid_are_better() -> None:
    logits, labels = np.stack([told(0, 1.0)[0], told(1, 1.5)[0]]), told(0, 0.0)[1]
    counts, prior = np.where(np.arange(60) < 20, 0.5, 1.0), np.array([0.75, 0.25])

    def loss(first: float) -> float:
        weights = np.array([first, 1 - first])
        logs = log_softmax(first * logits[0] + (1 - first) * logits[1], axis=1)
        return float(-counts @ logs[np.arange(60), labels] + 2.0 * weights @ np.log(weights / prior))

    grid = np.linspace(0.001, 0.999, 999)
    best = grid[np.argmin([loss(first) for first in grid])]
    np.testing.assert_allclose(stacking_weights(logits, labels, counts, prior, 2.0), [best, 1 - best], atol=2e-3)


def test_without_labels_they_are_the_prior() -> None:
    found = stacking_weights(np.empty((3, 0, 2)), np.empty(0, int), np.empty(0), np.array([0.5, 0.3, 0.2]))
    np.testing.assert_allclose(found, [0.5, 0.3, 0.2], atol=1e-6)


def scored(seed: int, quality: float, folds: int = 5) -> OutOfFold:
    logits, labels = told(seed, quality)
    numbers = (np.arange(60) // 3 % 5)[None]
    logits = np.where(numbers[0][:, None] < folds, logits, np.nan)
    return OutOfFold(logits[None], labels, np.where(numbers < folds, numbers, -1))


def test_a_network_that_is_clearly_better_replaces_the_heads() -> None:
    scores = {"probe": scored(0, 0.5), "head": scored(1, 0.6), "network": scored(2, 9.0)}
    assert dict(choose(scores, "probe", ["probe", "head"]).weights) == {"network": 1.0}


def test_one_that_adds_nothing_is_left_out_and_equals_are_averaged() -> None:
    scores = {"probe": scored(0, 2.0), "noise": scored(1, 0.0), "other": scored(2, 2.0), "network": scored(3, 2.0)}
    choice = choose(scores, "probe", ["probe", "noise", "other"])
    assert set(choice.weights) == {"probe", "other", "network"}
    np.testing.assert_allclose(sum(choice.weights.values()), 1)
    assert choice.out_of_fold is not None
    assert np.nanmean(choice.out_of_fold.losses) < np.nanmean(scores["probe"].losses)


def test_one_that_was_scored_on_little_takes_nothing_from_the_others() -> None:
    scores = {"probe": scored(0, 1.0), "good": scored(1, 3.0), "late": scored(2, 3.0, folds=2)}
    choice = choose(scores, "probe", ["probe"])
    assert "late" not in choice.weights
    assert choice.out_of_fold is not None
    assert choice.out_of_fold.scored.all()

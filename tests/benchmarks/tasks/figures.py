"""Figures of predictions, and intervals of paired differences."""

from __future__ import annotations

import functools

import numpy as np
from sklearn.metrics import f1_score


__all__ = ["FLOOR", "expected_calibration_error", "figures", "paired_interval", "per_example"]

# Probabilities below it count as it: a class that had no label would make the log-loss infinite.
FLOOR = 1e-6
BINS = 15
RESAMPLES = 2000


def figures(probs: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Accuracy, macro-F1 over all classes that occur, log-loss and expected calibration error.

    Args:
        probs: [n, C].
        labels: [n].
    """
    predicted = probs.argmax(1)
    return {
        "accuracy": float((predicted == labels).mean()),
        "macro_f1": float(f1_score(labels, predicted, average="macro", zero_division=0)),
        "log_loss": float(_log_losses(probs, labels).mean()),
        "ece": expected_calibration_error(probs, labels),
    }


def per_example(probs: np.ndarray, labels: np.ndarray) -> dict[str, list[float]]:
    """What paired differences are made of: whether each example is right, and its log-loss."""
    correct = (probs.argmax(1) == labels).astype(int).tolist()
    return {"correct": correct, "log_losses": np.round(_log_losses(probs, labels), 4).tolist()}


def _log_losses(probs: np.ndarray, labels: np.ndarray) -> np.ndarray:
    return -np.log(np.clip(probs[np.arange(len(labels)), labels], FLOOR, 1))


def expected_calibration_error(probs: np.ndarray, labels: np.ndarray) -> float:
    """Over 15 bins of equal width of the highest probability (Guo et al., 2017, arXiv:1706.04599)."""
    confidence, right = probs.max(1), probs.argmax(1) == labels
    place = np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)
    total = np.bincount(place, weights=right - confidence, minlength=BINS)
    return float(np.abs(total).sum() / len(labels))


def paired_interval(differences: np.ndarray, level: float = 0.9, seed: int = 0) -> tuple[float, float]:
    """A bootstrap interval of the mean of paired differences, over seeds and over test examples.

    Each resample draws seeds with replacement, and test examples with replacement, the same ones for all seeds, for
    all seeds share the test set.

    Args:
        differences: [S, n], one row for each seed.
        level: of the interval.
        seed: of the resamples.
    """
    of_seeds, of_examples = _resamples(*differences.shape, seed)
    means = np.einsum("rs,sn,rn->r", of_seeds, differences, of_examples, optimize=True)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


@functools.cache
def _resamples(seeds: int, examples: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Weights of seeds and of examples in each resample."""
    rng = np.random.default_rng(seed)
    of_seeds = rng.multinomial(seeds, np.full(seeds, 1 / seeds), RESAMPLES) / seeds
    return of_seeds, rng.multinomial(examples, np.full(examples, 1 / examples), RESAMPLES) / examples

"""Temperature scaling on few examples, and how well probabilities are calibrated."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, logsumexp


__all__ = ["cross_fitted", "expected_calibration_error", "fit_temperature", "log_losses"]

# A temperature of ten or a tenth is two standard deviations of the prior away from one.
PRIOR_DEVIATION = 1.15
LIMITS = (0.02, 50.0)


def fit_temperature(logits: np.ndarray, labels: np.ndarray, weights: np.ndarray | None = None) -> float:
    """The temperature T that makes ``softmax(logits / T)`` fit the labels best (Guo et al., 2017, arXiv:1706.04599).

    On ten examples, all of them classified right, the likelihood alone would have T fall to 0. So the labels of n
    examples are smoothed by ``1 / (n + 2)``, as in Platt's scaling, and log T has a normal prior around 0: what is
    minimised is the sum of the cross entropies plus ``log(T)**2 / (2 * 1.15**2)``.

    Args:
        logits: ``[n, C]`` of examples that the classifier was not trained on; n may be 0.
        labels: class numbers ``[n]``.
        weights: of the examples ``[n]``; 1 each by default.

    Returns:
        T, between 0.02 and 50; 1 where there are no examples.
    """
    logits, labels = np.asarray(logits, dtype=np.float64), np.asarray(labels, dtype=np.int64)
    if not len(labels):
        return 1.0
    shares = np.ones(len(labels)) if weights is None else np.asarray(weights, dtype=np.float64)
    smoothing = 1 / (shares.sum() + 2)

    def objective(log_temperature: float) -> float:
        scaled = logits / np.exp(log_temperature)
        losses = (1 - smoothing) * log_losses(scaled, labels)
        losses += smoothing * (logsumexp(scaled, axis=1) - scaled.mean(1))
        return float(shares @ losses + log_temperature**2 / (2 * PRIOR_DEVIATION**2))

    bounds = (np.log(LIMITS[0]), np.log(LIMITS[1]))
    return float(np.exp(minimize_scalar(objective, bounds=bounds, method="bounded").x))


def cross_fitted(logits: np.ndarray, labels: np.ndarray, groups: Sequence[int] | np.ndarray) -> np.ndarray:
    """Logits divided by a temperature that was fitted on the examples of all other groups.

    A score of these is one that the temperature has not seen.

    Args:
        logits: ``[n, C]``.
        labels: class numbers ``[n]``.
        groups: of each example, such as the fold that held it out, ``[n]``.

    Returns:
        ``[n, C]``.
    """
    groups = np.asarray(groups)
    scaled = np.array(logits, dtype=np.float64)
    for group in np.unique(groups):
        own = groups == group
        scaled[own] /= fit_temperature(logits[~own], labels[~own])
    return scaled


def log_losses(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """``-log softmax(logits)`` of the labels, ``[n]``, for logits ``[n, C]`` and class numbers ``[n]``."""
    logits = np.asarray(logits, dtype=np.float64)
    chosen = np.take_along_axis(logits, np.asarray(labels, dtype=np.int64)[:, None], axis=1)[:, 0]
    losses: np.ndarray = logsumexp(logits, axis=1) - chosen
    return losses


def expected_calibration_error(
    logits: np.ndarray, labels: np.ndarray, bins: int = 15, equal_mass: bool = False
) -> float:
    """Mean distance of accuracy and confidence over bins of confidence, weighted by their sizes, in [0, 1].

    Args:
        logits: ``[n, C]``, n > 0.
        labels: class numbers ``[n]``.
        bins: at most so many.
        equal_mass: bins of equally many examples, sorted by confidence; else bins of equal width.
    """
    probs = np.exp(log_softmax(np.asarray(logits, dtype=np.float64), axis=1))
    confidence, right = probs.max(1), probs.argmax(1) == np.asarray(labels)
    if equal_mass:
        parts = np.array_split(np.argsort(confidence, kind="stable"), min(bins, len(confidence)))
    else:
        numbers = np.minimum((confidence * bins).astype(np.int64), bins - 1)
        parts = [np.flatnonzero(numbers == number) for number in range(bins)]
    gaps = [abs(right[part].mean() - confidence[part].mean()) * len(part) for part in parts if len(part)]
    return float(sum(gaps) / len(confidence))

"""Weights of an average of classifiers, fitted to what they said of held-out examples."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize
from scipy.special import logsumexp, softmax


__all__ = ["stacking_weights"]

LEAST = 1e-12


def stacking_weights(
    logits: np.ndarray, labels: np.ndarray, counts: np.ndarray, prior: np.ndarray, strength: float = 1.0
) -> np.ndarray:
    """Weights of the mean of logits that fit the labels best, drawn to a prior (stacking: Wolpert, 1992).

    What is minimised is the sum of the log-losses of the mean plus ``strength * KL(weights || prior)``: few labels
    leave the weights near the prior, many decide.

    Args:
        logits: of K classifiers ``[K, n, C]``, calibrated, of examples that they were not trained on; n may be 0.
        labels: class numbers ``[n]``.
        counts: how often each example counts ``[n]``.
        prior: weights ``[K]`` above 0 that sum to one.
        strength: of the prior, in labels.

    Returns:
        Weights ``[K]`` above 0 that sum to one.
    """
    prior = np.asarray(prior, dtype=np.float64)
    shifted = logits - logits.max(2, keepdims=True)
    own = np.take_along_axis(shifted, np.asarray(labels)[None, :, None], axis=2)[..., 0]

    def objective(logs: np.ndarray) -> tuple[float, np.ndarray]:
        weights = softmax(logs)
        mean = np.tensordot(weights, shifted, 1)
        far = np.log(np.maximum(weights, LEAST) / prior)
        value = counts @ (logsumexp(mean, axis=1) - weights @ own) + strength * (weights @ far)
        slope = np.einsum("kic,ic,i->k", shifted, softmax(mean, axis=1), counts) - own @ counts + strength * (far + 1)
        return float(value), weights * (slope - weights @ slope)

    found: np.ndarray = softmax(minimize(objective, np.log(prior), jac=True, method="L-BFGS-B").x)
    return found

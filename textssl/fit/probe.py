"""Multinomial logistic regression on embeddings: hard labels or soft targets, weighted examples, a warm start.

It minimises ``C sum_i w_i CE(t_i, W x_i + b) + |W|^2 / 2``, the objective of scikit-learn's ``LogisticRegression``,
which takes no soft targets and no start. Two changes of variables make it fast and alter nothing: the features are
centred (the bias is not penalised), and fewer examples than dimensions are rotated into the space that they span.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import logsumexp


__all__ = ["LinearHead", "fit_probe"]

# Bias of a class without examples, below those of the others by far: its probability is about 1e-9.
ABSENT = -20.0


@dataclass(frozen=True)
class LinearHead:
    """A linear classifier of embeddings.

    Attributes:
        weight: float64 ``[C, D]``.
        bias: float64 ``[C]``.
    """

    weight: np.ndarray
    bias: np.ndarray

    def logits(self, features: np.ndarray) -> np.ndarray:
        """Logits ``[n, C]``, float64, of embeddings ``[n, D]``."""
        return np.asarray(features, dtype=np.float64) @ self.weight.T + self.bias

    def probs(self, features: np.ndarray) -> np.ndarray:
        """Probabilities ``[n, C]`` of embeddings ``[n, D]``."""
        logits = self.logits(features)
        return np.exp(logits - logsumexp(logits, axis=1, keepdims=True))

    def scaled(self, temperature: float) -> LinearHead:
        """The head whose logits are divided by ``temperature``."""
        return LinearHead(self.weight / temperature, self.bias / temperature)


def fit_probe(
    features: np.ndarray,
    labels_or_probs: np.ndarray,
    num_labels: int,
    *,
    weights: np.ndarray | None = None,
    C: float = 10.0,
    start: LinearHead | None = None,
    centre: LinearHead | None = None,
    tolerance: float = 1e-5,
) -> LinearHead:
    """Fit a multinomial logistic regression.

    Args:
        features: embeddings ``[n, D]``.
        labels_or_probs: class numbers ``[n]``, or targets ``[n, C]`` whose rows sum to one.
        num_labels: number of classes.
        weights: weight of each example ``[n]``; one each by default.
        C: inverse strength of the L2 penalty on the weights, as in scikit-learn.
        start: a head near the solution, such as the one of the round before; it changes the time, not the solution.
        centre: the penalty is on the distance to its weights, a Gaussian prior around them; around 0 by default.
        tolerance: greatest entry of the gradient of the mean loss at which it stops.

    Returns:
        The head. A class without examples gets no weights and a very low bias.

    Raises:
        ValueError: without examples, and for shapes that do not agree.
    """
    inputs = np.asarray(features, dtype=np.float64)
    targets = _targets(labels_or_probs, num_labels)
    weights = np.ones(len(inputs)) if weights is None else np.asarray(weights, dtype=np.float64)
    if not len(inputs) == len(targets) == len(weights):
        raise ValueError(f"features: {len(inputs)} rows, with {len(targets)} labels and {len(weights)} weights")
    kept = weights > 0
    inputs, targets, weights = inputs[kept], targets[kept], weights[kept]
    if not len(inputs):
        raise ValueError("features: no example of positive weight")

    present = (targets * weights[:, None]).sum(0) > 0
    offset = np.zeros((1, 1)) if centre is None else centre.logits(inputs)[:, present]
    mean = weights @ inputs / weights.sum()
    basis, inputs = _spanned(inputs - mean)
    first = np.zeros((present.sum(), inputs.shape[1] + 1))
    if start is not None:
        first[:, :-1] = start.weight[present] if basis is None else start.weight[present] @ basis
        first[:, -1] = start.bias[present] + start.weight[present] @ mean
    solution = _minimum(inputs, targets[:, present], weights, C, first, tolerance, offset)

    weight = np.zeros((num_labels, len(mean)))
    weight[present] = solution[:, :-1] if basis is None else solution[:, :-1] @ basis.T
    bias = np.full(num_labels, ABSENT)
    bias[present] = solution[:, -1] - weight[present] @ mean
    if centre is not None:
        weight[present] += centre.weight[present]
        bias[present] += centre.bias[present]
    return LinearHead(weight, bias)


def _targets(labels_or_probs: np.ndarray, num_labels: int) -> np.ndarray:
    given = np.asarray(labels_or_probs)
    if given.ndim == 1:
        return np.eye(num_labels)[given.astype(np.int64)]
    if given.shape[1] != num_labels:
        raise ValueError(f"labels_or_probs: {given.shape[1]} columns, for {num_labels} classes")
    return given.astype(np.float64)


def _spanned(centred: np.ndarray) -> tuple[np.ndarray | None, np.ndarray]:
    """An orthonormal basis ``[D, n]`` of fewer examples than dimensions, and the examples in it."""
    if len(centred) >= centred.shape[1]:
        return None, centred
    basis, coordinates = np.linalg.qr(centred.T)
    return basis, coordinates.T


def _minimum(
    inputs: np.ndarray,
    targets: np.ndarray,
    weights: np.ndarray,
    C: float,
    first: np.ndarray,
    tolerance: float,
    offset: np.ndarray,
) -> np.ndarray:
    """Weights and, in the last column, biases ``[C, D + 1]`` of least loss, to logits that ``offset`` adds to."""
    share = weights / weights.sum()
    penalty = 1 / (C * weights.sum())

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        solution = flat.reshape(first.shape)
        logits = inputs @ solution[:, :-1].T + solution[:, -1] + offset
        logs = logits - logsumexp(logits, axis=1, keepdims=True)
        value = -share @ (targets * logs).sum(1) + penalty / 2 * (solution[:, :-1] ** 2).sum()
        slope = share[:, None] * (np.exp(logs) - targets)
        gradient = np.empty_like(solution)
        gradient[:, :-1] = slope.T @ inputs + penalty * solution[:, :-1]
        gradient[:, -1] = slope.sum(0)
        return value, gradient.ravel()

    if len(first) == 1:
        return first * 0.0
    options = {"maxiter": 1000, "gtol": tolerance, "ftol": 64 * np.finfo(float).eps, "maxls": 50}
    return minimize(loss, first.ravel(), jac=True, method="L-BFGS-B", options=options).x.reshape(first.shape)

"""Label propagation on the embeddings, and a linear head that has learned from it, for examples to come."""

from __future__ import annotations

import numpy as np
import torch

from ... import functional as F
from ..data import FitData
from ..probe import LinearHead, fit_probe
from .heads import HeadCandidate
from .self_training import margins


__all__ = ["Propagation", "spread_labels"]

NEIGHBORS = 20
ALPHA = 0.9
GAMMA = 3.0
TOLERANCE = 1e-4


class Propagation(HeadCandidate):
    """Labels spread over the graph of nearest neighbours (:func:`textssl.functional.propagate_labels`).

    The graph labels the examples that it holds, and no others. The head is a logistic regression on what it says of
    them; each weighs as much as its class is ahead of the next.
    """

    name = "propagation"
    needs_unlabeled = True

    def fit(self, data: FitData) -> LinearHead:
        """Spread the labels, and fit the head."""
        features = np.concatenate([data.labeled.features, data.unlabeled.features])
        probs = spread_labels(features, data.labels, data.num_labels)
        weights = np.concatenate([np.ones(len(data.labels)), margins(probs[len(data.labels) :])])
        return fit_probe(features, probs.argmax(1), data.num_labels, weights=weights, tolerance=TOLERANCE)

    def seconds(self, data: FitData) -> float:
        """The graph grows with the square of the examples, the rest with their number."""
        count = len(data.labels) + len(data.unlabeled)
        return 0.02 + 2e-8 * count**2 + 3e-6 * count * (data.num_labels + 10)


def spread_labels(features: np.ndarray, labels: np.ndarray, num_labels: int) -> np.ndarray:
    """Probabilities ``[N, C]`` of all examples, the first of which are labeled.

    Args:
        features: ``[N, D]``.
        labels: class numbers of the first examples. A class that is not among them has probability 0.
        num_labels: C.
    """
    present, own = np.unique(labels, return_inverse=True)
    probs = np.zeros((len(features), num_labels))
    if len(present) == 1:
        probs[:, present] = 1.0
        return probs
    known = torch.full((len(features),), -1, dtype=torch.long)
    known[: len(own)] = torch.from_numpy(own)
    vectors = torch.from_numpy(np.ascontiguousarray(features))
    found, _ = F.propagate_labels(vectors, known, len(present), NEIGHBORS, GAMMA, ALPHA)
    probs[:, present] = found.double().numpy()
    return probs

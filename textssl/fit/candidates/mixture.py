"""A mixture of Gaussians, one for each class and all of one covariance, fitted to labeled and unlabeled embeddings.

Expectation maximisation with labels known for some examples (Nigam et al., 2000, "Text Classification from Labeled and
Unlabeled Documents using EM", Machine Learning 39, who weigh unlabeled examples less, as is done here the other way
round). What separates two Gaussians of one covariance is a plane, so that the classifier is a linear head, and one
that knows how the embeddings spread: it wins where labels are few and classes are of unequal size.
"""

from __future__ import annotations

import numpy as np

from ..data import FitData
from ..probe import ABSENT, LinearHead, fit_probe
from .heads import HeadCandidate


__all__ = ["Mixture", "gaussian_head"]

ROUNDS = 10
# Weight of a labeled example; of an unlabeled one 1.
LABELED = 5.0
# Power of the probe's probabilities, which are too near to each other, in the first round.
SHARPNESS = 3.0
# Share of a sphere in the covariance.
SHRINKAGE = 0.5


class Mixture(HeadCandidate):
    """Gaussian classes, fitted by expectation maximisation from the probe's predictions."""

    name = "mixture"
    needs_unlabeled = True

    def fit(self, data: FitData) -> LinearHead:
        """Alternate between the classes of the unlabeled examples and the Gaussians."""
        features = np.concatenate([data.labeled.features, data.unlabeled.features]).astype(np.float64)
        head = fit_probe(data.labeled.features, data.labels, data.num_labels)
        probs = head.probs(data.unlabeled.features) ** SHARPNESS
        probs /= probs.sum(1, keepdims=True)
        known = LABELED * np.eye(data.num_labels)[data.labels]
        present = known.any(0)
        for _ in range(ROUNDS):
            head = gaussian_head(features, np.concatenate([known, probs * present]), present)
            probs = head.probs(data.unlabeled.features)
        return head

    def seconds(self, data: FitData) -> float:
        """Covariances and predictions of all examples."""
        count, dimensions = len(data.labels) + len(data.unlabeled), data.labeled.features.shape[1]
        return 0.02 + ROUNDS * (5e-11 * count * dimensions * (dimensions + data.num_labels) + 1e-10 * dimensions**3)


def gaussian_head(features: np.ndarray, weights: np.ndarray, present: np.ndarray) -> LinearHead:
    """The linear discriminant of Gaussian classes with one covariance.

    Args:
        features: ``[N, D]``.
        weights: how much each example counts for each class ``[N, C]``.
        present: classes to be told apart, booleans ``[C]``; each has some weight. The others get a very low bias.
    """
    sizes = weights[:, present].sum(0)
    means = weights[:, present].T @ features / sizes[:, None]
    total = (features.T * weights.sum(1)) @ features / sizes.sum()
    covariance = total - (means.T * sizes) @ means / sizes.sum()
    size = len(covariance)
    sphere = max(float(np.trace(covariance)) / size, 1e-12)
    covariance = (1 - SHRINKAGE) * covariance + SHRINKAGE * sphere * np.eye(size)
    planes = np.linalg.solve(covariance, means.T).T
    offsets = np.log(sizes / sizes.sum()) - (planes * means).sum(1) / 2
    # The same plane and number may be taken from all logits.
    planes, offsets = planes - planes.mean(0), offsets - offsets.mean()
    weight, bias = np.zeros((len(present), size)), np.zeros(len(present))
    weight[present], bias[present] = planes, offsets
    bias[~present] = (features @ planes.T + offsets).min() + ABSENT
    return LinearHead(weight, bias)

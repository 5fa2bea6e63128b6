"""Candidates that take the descriptions of classes for evidence: as examples, and as a prior of the head."""

from __future__ import annotations

import numpy as np

from ..confident_self_training import self_train
from ..data import Examples, FitData
from ..probe import LinearHead, fit_probe
from ..zero_label import FEWEST_TEXTS, zero_label
from .heads import HeadCandidate


__all__ = ["NamesPrior", "NamesProbe", "NamesSelfTraining", "named_candidates"]


def _with_prototypes(data: FitData) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings and class numbers of the labeled examples and of the descriptions."""
    features = np.concatenate([data.labeled.features, data.prototypes])
    return features, np.concatenate([data.labels, data.prototype_labels])


class NamesProbe(HeadCandidate):
    """Logistic regression on labeled examples and descriptions of classes, each an example of its class."""

    name = "names-probe"

    def fit(self, data: FitData) -> LinearHead:
        """Fit it."""
        return fit_probe(*_with_prototypes(data), data.num_labels)

    def seconds(self, data: FitData) -> float:
        """As of the probe, with more examples."""
        return 0.01 + 1e-5 * (len(data.labels) + len(data.prototypes)) * data.num_labels


class NamesSelfTraining(HeadCandidate):
    """:class:`NamesProbe`, then rounds on the most confident of each predicted class, labels and descriptions.

    The class distribution, uniform or estimated, is the one under which near neighbours share their class.
    """

    name = "names-self-training"
    needs_unlabeled = True

    def fit(self, data: FitData) -> LinearHead:
        """Fit it."""
        features, labels = _with_prototypes(data)
        start = fit_probe(features, labels, data.num_labels)
        if not _enough(data):
            return start
        probs = start.probs(data.unlabeled.features)
        targets = np.eye(data.num_labels)[labels]
        return self_train(data.unlabeled.features, probs, features, targets, np.ones(len(labels)), data.seed).head

    def seconds(self, data: FitData) -> float:
        """Fourteen regressions on most of the unlabeled examples."""
        return 0.5 + 6e-5 * len(data.unlabeled) * data.num_labels


class NamesPrior(HeadCandidate):
    """Logistic regression whose weights are drawn to those of the classifier that was trained without labels.

    The best of all where names are right, and the worst where they are not: folds must decide.
    """

    name = "names-prior"
    needs_unlabeled = True

    def __init__(self) -> None:
        self._last: tuple[Examples, np.ndarray, LinearHead] | None = None

    def fit(self, data: FitData) -> LinearHead:
        """Fit it."""
        return fit_probe(data.labeled.features, data.labels, data.num_labels, centre=self._centre(data))

    def seconds(self, data: FitData) -> float:
        """As of self-training; folds after the first take hundredths of it."""
        return 0.5 + 6e-5 * len(data.unlabeled) * data.num_labels

    def _centre(self, data: FitData) -> LinearHead:
        """The classifier without labels, which is the same for all folds."""
        known = self._last
        if known is None or known[0] is not data.unlabeled or known[1] is not data.prototypes:
            self._last = known = (data.unlabeled, data.prototypes, zero_label(data.with_seed(0)).head)
        return known[2]


def named_candidates(data: FitData) -> list[HeadCandidate]:
    """The candidates to try beside the others: none without descriptions of classes."""
    if not len(data.prototypes):
        return []
    whole = len(np.unique(data.prototype_labels)) == data.num_labels
    return [NamesProbe(), NamesSelfTraining(), *([NamesPrior()] if whole and _enough(data) else [])]


def _enough(data: FitData) -> bool:
    return len(data.unlabeled) >= FEWEST_TEXTS * data.num_labels

"""Whether labels and class names agree, where labels are too few for folds to tell."""

from __future__ import annotations

import numpy as np
from scipy.special import softmax

from .confident_self_training import balanced
from .data import FitData
from .names import prototypes_by_view
from .probe import fit_probe
from .zero_label import kappa


__all__ = ["names_agree"]

PERMUTATIONS = 200
# Share of the ways to give the names to the classes that may agree with the labels as well as the right one.
CHANCE = 0.1
SCALE = 20.0


def names_agree(data: FitData) -> bool:
    """Whether classification by names agrees with that by labels, on unlabeled texts and beyond chance.

    Names that were given to the classes at random would agree as well in one case in ten at most; of two or three
    classes, in no other way of giving them.

    Args:
        data: with a description of each class, and labels of every class; otherwise the answer is no.
    """
    classes = range(data.num_labels)
    known = all((data.prototype_labels == c).any() and (data.labels == c).any() for c in classes)
    if not known or not len(data.unlabeled):
        return False
    features = data.unlabeled.features.astype(np.float64)
    named = prototypes_by_view(data.prototypes, data.prototype_labels, data.num_labels).mean(0)
    uniform = np.full(data.num_labels, 1 / data.num_labels)
    probe = fit_probe(data.labeled.features, data.labels, data.num_labels)
    by_label = balanced(probe.probs(features), uniform).argmax(1)
    by_name = balanced(softmax(SCALE * features @ named.T, axis=1), uniform).argmax(1)
    agreement = kappa(by_label, by_name)
    rng = np.random.default_rng(data.seed)
    orders = [rng.permutation(data.num_labels) for _ in range(PERMUTATIONS)]
    others = [kappa(by_label, order[by_name]) for order in orders if (order != np.arange(data.num_labels)).any()]
    share = np.mean([other >= agreement for other in others])
    return bool(agreement > 0 and share <= (CHANCE if data.num_labels > 3 else 0))

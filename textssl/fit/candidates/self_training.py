"""Self-training of the probe: it labels the unlabeled examples, and is fitted again on these labels, several times.

Of each predicted class the most confident examples come first, and more in every round, to all in the last: a share
needs no threshold, and what a probability means differs too much between two and fifty classes, and between one and
fifty labels of each. A pseudo-label is hard, and weighs as much as its class is ahead of the next. The probabilities
may be aligned with class priors before they are used; which alignment helps differs between data sets, so each is a
candidate of its own. Priors that depend on the probabilities are those that the probe gives, in all rounds: found anew
in each they would follow the mistakes of the rounds before (docs/guides/priors.md).
"""

from __future__ import annotations

import numpy as np

from ..data import FitData
from ..priors import align_probs, target_prior
from ..probe import LinearHead, fit_probe
from .heads import HeadCandidate


__all__ = ["SelfTraining", "margins", "most_confident_per_class"]

ROUNDS = 5
FIRST_SHARE = 0.2
# Of the gradient of the mean loss: a round needs no more digits, and starts from the round before.
TOLERANCE = 1e-4


class SelfTraining(HeadCandidate):
    """Rounds of the probe on its own predictions.

    Args:
        align: how probabilities are aligned before they become labels: a word of
            :data:`textssl.fit.priors.ALIGNMENTS`. Any but ``"none"`` is part of the candidate's name.
    """

    needs_unlabeled = True

    def __init__(self, align: str = "none") -> None:
        self.name = "self_training" if align == "none" else f"self_training_{align}"
        self.align = align

    def fit(self, data: FitData) -> LinearHead:
        """Fit the probe, and fit it again on what it says."""
        features, unlabeled = data.labeled.features, data.unlabeled.features
        head = fit_probe(features, data.labels, data.num_labels)
        prior = np.bincount(data.labels, minlength=data.num_labels) / len(data.labels)
        wanted = target_prior(head.probs(unlabeled), prior, self.align)
        for share in np.linspace(FIRST_SHARE, 1.0, ROUNDS):
            probs = align_probs(head.probs(unlabeled), prior, "none" if wanted is None else wanted)
            rows = most_confident_per_class(probs, float(share))
            head = fit_probe(
                np.concatenate([features, unlabeled[rows]]),
                np.concatenate([data.labels, probs[rows].argmax(1)]),
                data.num_labels,
                weights=np.concatenate([np.ones(len(features)), margins(probs[rows])]),
                start=head,
                tolerance=TOLERANCE,
            )
        return head

    def seconds(self, data: FitData) -> float:
        """Rounds of logistic regression on all examples."""
        return 0.02 + 1e-6 * ROUNDS * len(data.unlabeled) * (data.num_labels + 10)


def most_confident_per_class(probs: np.ndarray, share: float) -> np.ndarray:
    """Rows of the most confident examples of each predicted class, in order: a share of them, at least one.

    Args:
        probs: ``[M, C]``.
        share: of each class, in [0, 1].
    """
    predicted, sure = probs.argmax(1), probs.max(1)
    kept = [np.empty(0, np.int64)]
    for number in np.unique(predicted):
        rows = np.flatnonzero(predicted == number)
        order = rows[np.argsort(-sure[rows], kind="stable")]
        # Without the rounding three fifths of five rows are four.
        kept.append(order[: max(1, int(np.ceil(round(share * len(rows), 6))))])
    return np.sort(np.concatenate(kept))


def margins(probs: np.ndarray) -> np.ndarray:
    """How far each example's most likely class is ahead of the next ``[M]``, divided by the largest of all.

    Args:
        probs: ``[M, C]``, C at least 2.
    """
    first, second = -np.partition(-probs, 1, axis=1)[:, :2].T
    ahead = first - second
    return ahead / max(float(ahead.max(initial=0.0)), 1e-12)

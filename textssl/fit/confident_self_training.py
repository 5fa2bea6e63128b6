"""Self-training in rounds, each on the most confident share of the examples of each predicted class.

As in zero-shot self-training (Gera et al., 2022, arXiv:2210.17541), the examples that a round is trained on are those
whose classes the round before was most confident of; the share grows, so that early mistakes are few and late rounds
see nearly all. Which class shares to assume decides much: a uniform prior on unbalanced data cuts through clusters,
and a prior that is estimated anew in each round drifts. So both are tried, the estimate taken once, early; a boundary
through a cluster separates near neighbours, which tells the two apart without a label.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import log_softmax, logsumexp, softmax

from .probe import LinearHead, fit_probe


__all__ = ["FRACTIONS", "Rounds", "balanced", "confident_rounds", "neighbour_agreement", "neighbours", "self_train"]

# Share of the examples of each predicted class that a round is trained on.
FRACTIONS = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
# Rounds before the class shares are estimated: the most confident of each class are still a minority.
EARLY = 2
# How much more often near neighbours must share a class before a uniform prior is given up. Measured on Reuters R8 and
# 16 selections of newsgroups: 0.05 to 0.25 where the classes are unbalanced, -0.01 to 0.02 where they are not.
GAP = 0.035
# More examples than these are compared with these many alone.
MOST_NEIGHBOURS = 4000
# Of the logistic regressions on the way; the classes that they predict are what counts.
TOLERANCE = 1e-3


@dataclass(frozen=True)
class Rounds:
    """What self-training ended with.

    Attributes:
        head: of the last round.
        probs: its probabilities ``[M, C]``.
        prior: class distribution that the rounds assumed ``[C]``.
        history: predicted classes before the first round and after each, R + 1 arrays ``[M]``.
        agreement: how often an example and a near neighbour are of one predicted class.
        other: the predicted classes ``[M]`` under the prior that was not chosen.
        estimated: whether ``prior`` was estimated.
    """

    head: LinearHead
    probs: np.ndarray
    prior: np.ndarray
    history: tuple[np.ndarray, ...]
    agreement: float
    other: np.ndarray
    estimated: bool


def self_train(
    features: np.ndarray,
    probs: np.ndarray,
    examples: np.ndarray | None = None,
    targets: np.ndarray | None = None,
    weights: np.ndarray | None = None,
    seed: int = 0,
) -> Rounds:
    """Self-train from first probabilities, with a uniform prior and with an estimated one, and choose.

    Args:
        features: embeddings of unlabeled examples ``[M, D]``, M at least C.
        probs: first probabilities ``[M, C]``.
        examples: embeddings ``[L, D]`` that every round is trained on besides, such as labeled ones and prototypes.
        targets: of these ``[L, C]``.
        weights: of these ``[L]``.
        seed: of the choice of those whose neighbours are compared, where they are many.
    """
    classes = probs.shape[1]
    kept = (examples, targets, weights)
    uniform = np.full(classes, 1 / classes)
    head, last, history = confident_rounds(features, probs, FRACTIONS, uniform, *kept)

    _, early, begun = confident_rounds(features, probs, FRACTIONS[:EARLY], None, *kept)
    counts = np.bincount(early.argmax(1), minlength=classes) + 1.0
    estimate = counts / counts.sum()
    estimated_head, estimated_last, rest = confident_rounds(features, early, FRACTIONS[EARLY:], estimate, *kept)

    near = neighbours(features, seed=seed)
    a, b = (neighbour_agreement(p.argmax(1), near) for p in (last, estimated_last))
    if b > a + GAP:
        whole = tuple(begun) + tuple(rest[1:])
        return Rounds(estimated_head, estimated_last, estimate, whole, b, last.argmax(1), True)
    return Rounds(head, last, uniform, tuple(history), a, estimated_last.argmax(1), False)


def confident_rounds(
    features: np.ndarray,
    probs: np.ndarray,
    fractions: Sequence[float],
    prior: np.ndarray | None,
    examples: np.ndarray | None = None,
    targets: np.ndarray | None = None,
    weights: np.ndarray | None = None,
) -> tuple[LinearHead, np.ndarray, list[np.ndarray]]:
    """Rounds of logistic regression, each on the most confident of what the round before predicted.

    Args:
        features: ``[M, D]``.
        probs: first probabilities ``[M, C]``.
        fractions: for each round, the share of each predicted class that it is trained on.
        prior: class distribution ``[C]`` that predictions are aligned to before they are taken; None: as they are.
        examples: ``[L, D]``, always trained on too.
        targets: ``[L, C]``.
        weights: ``[L]``.

    Returns:
        The last head, its probabilities, and the predicted classes at first and after each round.
    """
    classes = probs.shape[1]
    head: LinearHead | None = None
    history = [(probs if prior is None else balanced(probs, prior)).argmax(1)]
    for fraction in fractions:
        aligned = probs if prior is None else balanced(probs, prior)
        rows = _most_confident(aligned, fraction)
        inputs, wanted, weighed = features[rows], np.eye(classes)[aligned[rows].argmax(1)], np.ones(len(rows))
        if examples is not None and targets is not None and weights is not None:
            inputs = np.concatenate([inputs, examples])
            wanted = np.concatenate([wanted, targets])
            weighed = np.concatenate([weighed, weights])
        head = fit_probe(inputs, wanted, classes, weights=weighed, start=head, tolerance=TOLERANCE)
        probs = head.probs(features)
        history.append(probs.argmax(1))
    assert head is not None
    return head, probs, history


def _most_confident(probs: np.ndarray, fraction: float) -> np.ndarray:
    """Rows of the most confident ``fraction`` of each predicted class, at least one of each that is predicted."""
    predicted = probs.argmax(1)
    rows = []
    for number in range(probs.shape[1]):
        of_class = np.flatnonzero(predicted == number)
        order = np.argsort(-probs[of_class, number], kind="stable")
        rows.append(of_class[order[: int(np.ceil(fraction * len(of_class)))]])
    return np.concatenate(rows)


def balanced(probs: np.ndarray, prior: np.ndarray, steps: int = 50) -> np.ndarray:
    """Scale the classes until their mean probabilities are ``prior``, rows still summing to one (Sinkhorn, 1967).

    Args:
        probs: ``[M, C]``.
        prior: ``[C]``, positive.
        steps: of the iteration.
    """
    logs = np.log(np.maximum(probs, 1e-12))
    for _ in range(steps):
        logs = log_softmax(logs - logsumexp(logs, axis=0) + np.log(len(logs) * prior), axis=1)
    return np.asarray(softmax(logs, axis=1))


def neighbours(features: np.ndarray, count: int = 10, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """The nearest others of each example by cosine, among at most 4,000 drawn ones.

    Returns:
        Their rows ``[S]`` and, for each, the rows of its neighbours ``[S, count]``.
    """
    total = len(features)
    rows = np.arange(total)
    if total > MOST_NEIGHBOURS:
        rows = np.sort(np.random.default_rng(seed).choice(total, MOST_NEIGHBOURS, replace=False))
    vectors = features[rows].astype(np.float32)
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    similarity = vectors @ vectors.T
    np.fill_diagonal(similarity, -np.inf)
    count = min(count, len(rows) - 1)
    return rows, rows[np.argpartition(-similarity, count - 1, axis=1)[:, :count]] if count else rows[:, None][:, :0]


def neighbour_agreement(predicted: np.ndarray, near: tuple[np.ndarray, np.ndarray]) -> float:
    """How often an example and one of its neighbours are of one predicted class; 1 without neighbours."""
    rows, others = near
    return float((predicted[others] == predicted[rows][:, None]).mean()) if others.size else 1.0

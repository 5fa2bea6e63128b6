"""Classification without labels: names of classes and unlabeled texts alone, and how far to trust it.

Texts are classified by the nearest description, then by eight rounds of self-training
(:mod:`textssl.fit.confident_self_training`; Gera et al., 2022, arXiv:2210.17541). As X-Class (Wang et al., 2021,
arXiv:2010.12794) puts it, this works as far as the clusters that the encoder sees are the classes that the names mean;
nothing in the data tells names that were exchanged from right ones. The other ways in which names fail leave traces,
which :func:`trust_of` reads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit, softmax

from ..errors import UserError
from .confident_self_training import Rounds, balanced, self_train
from .data import FitData
from .names import prototypes_by_view
from .probe import LinearHead


__all__ = ["FEWEST_TEXTS", "ZeroLabel", "kappa", "texts_to_label", "trust_of", "zero_label", "zero_label_signals"]

# Scale of cosines when they become first probabilities; only their order within a class matters much.
SCALE = 20.0
# Below this trust a person is warned: half of the way from chance to no mistake.
TRUSTED = 0.5
# Number of texts suggested for labeling.
TO_LABEL = 20
# Texts for each class without which nothing is tried.
FEWEST_TEXTS = 2


@dataclass(frozen=True)
class ZeroLabel:
    """A classifier that was trained without labels.

    Attributes:
        head: of the frozen encoder; its temperature is such that its mean confidence is the accuracy expected.
        probs: of the unlabeled texts ``[M, C]``.
        trust: estimated accuracy beyond chance, as Cohen's kappa: 0 is chance, 1 no mistake.
        expected_accuracy: what that trust amounts to.
        warning: what a person should know before using it, in one line; None where the names seem to work.
        to_label: rows of the unlabeled texts whose labels would tell most, at most 20.
        signals: what the trust was read from, by name.
        prior: class distribution that was assumed ``[C]``.
    """

    head: LinearHead
    probs: np.ndarray
    trust: float
    expected_accuracy: float
    warning: str | None
    to_label: np.ndarray
    signals: Mapping[str, float]
    prior: np.ndarray


def zero_label(data: FitData, first: np.ndarray | None = None) -> ZeroLabel:
    """Classify unlabeled texts by the descriptions of their classes; labels in ``data`` are not looked at.

    Args:
        data: with unlabeled texts and prototypes, which :func:`textssl.fit.names.with_descriptions` adds.
        first: probabilities ``[M, C]`` of another source, such as a prompt teacher: self-training starts from the
            geometric mean of these and those of the descriptions.

    Raises:
        UserError: fewer texts than classes; a class without a description whose name says nothing.
    """
    _check(data)
    features = data.unlabeled.features.astype(np.float64)
    views = prototypes_by_view(data.prototypes, data.prototype_labels, data.num_labels)
    named = _unit(_unit(views).mean(0))
    probs = softmax(SCALE * _unit(features) @ named.T, axis=1)
    if first is not None:
        probs = softmax((np.log(probs) + np.log(np.maximum(first, 1e-6))) / 2, axis=1)
    rounds = self_train(features, probs, seed=data.seed)
    signals = zero_label_signals(features, views, rounds)
    trust = trust_of(signals)
    shares = np.bincount(rounds.history[-1], minlength=data.num_labels) / len(features)
    chance = float(shares @ shares)
    expected = chance + (1 - chance) * trust
    head = rounds.head.scaled(_temperature(rounds.head.logits(features), expected))
    probs = head.probs(features)
    return ZeroLabel(
        head, probs, trust, expected, _warning(trust, expected, probs, data.label_names),
        texts_to_label(features, probs, seed=data.seed), signals, rounds.prior,
    )  # fmt: skip


def zero_label_signals(features: np.ndarray, views: np.ndarray, rounds: Rounds) -> dict[str, float]:
    """What speaks for the names or against them, without a label.

    Args:
        features: ``[M, D]``.
        views: of the descriptions ``[V, C, D]``.
        rounds: of self-training.

    Returns:
        ``neighbours``: how much more often than by chance near neighbours share a predicted class. ``names``: mean
        cosine of a class's texts and its name, both centred. ``descriptions``: agreement of the descriptions or
        templates with each other; ``rounds``: of the first classification with the last; ``priors``: of the two class
        distributions that were tried; these three as Cohen's kappa.
    """
    predicted, classes = rounds.history[-1], views.shape[1]
    named = _unit(_unit(views).mean(0))
    present = [c for c in range(classes) if (predicted == c).any()]
    centres = np.stack([features[predicted == c].mean(0) for c in present])
    shares = np.bincount(predicted, minlength=classes) / len(predicted)
    chance = float(shares @ shares)
    cosines = (_unit(centres - centres.mean(0)) * _unit(named - named.mean(0))[present]).sum(1)
    by_view = [balanced(softmax(SCALE * _unit(features) @ _unit(view).T, axis=1), rounds.prior) for view in views]
    pairs = [kappa(a.argmax(1), b.argmax(1)) for i, a in enumerate(by_view) for b in by_view[:i]]
    return {
        "neighbours": (rounds.agreement - chance) / max(1 - chance, 1e-9),
        # A class that nothing is predicted as has no texts that its name could be like.
        "names": float(cosines.sum()) / classes,
        "descriptions": float(np.mean(pairs)) if pairs else 1.0,
        "rounds": kappa(rounds.history[0], predicted),
        "priors": kappa(rounds.other, predicted),
    }


def trust_of(signals: Mapping[str, float]) -> float:
    """Estimated accuracy beyond chance, in [0, 1].

    Fitted to 110 classifications of selections of 20 Newsgroups, Reuters and Rotten Tomatoes, with right names,
    abbreviations, and names of which some or all were replaced by words of no meaning for the task: cross-validated,
    it is off by 0.15. At 0.5 it found 50 of the 52 below 0.5, and 8 of the 58 above. Further signals did not help.
    """
    return float(expit(4.15 * signals["neighbours"] + 8.48 * signals["names"] - 6.67))


def kappa(a: np.ndarray, b: np.ndarray) -> float:
    """Cohen's kappa of two classifications ``[M]``: agreement beyond chance; 1 where both are constant and equal."""
    classes = int(max(a.max(), b.max())) + 1
    shares = [np.bincount(x, minlength=classes) / len(x) for x in (a, b)]
    chance = float(shares[0] @ shares[1])
    agreement = float((a == b).mean())
    return 1.0 if chance == 1 else (agreement - chance) / (1 - chance)


def texts_to_label(features: np.ndarray, probs: np.ndarray, count: int = TO_LABEL, seed: int = 0) -> np.ndarray:
    """Rows of the texts whose labels would tell most: typical ones, each of another cluster.

    For so few labels typical examples tell more than uncertain ones (Hacohen et al., 2022, arXiv:2202.02794). The
    clusters that are least sure of their class come first.

    Args:
        features: ``[M, D]``.
        probs: predicted ``[M, C]``.
        count: of rows; fewer where there are fewer texts.
        seed: of the clusters.
    """
    count = min(count, len(features))
    vectors = _unit(features.astype(np.float64))
    rng = np.random.default_rng(seed)
    cluster = _clusters(vectors, vectors[_spread(vectors, count, rng)])
    chosen, doubt = [], []
    for number in range(count):
        rows = np.flatnonzero(cluster == number)
        if len(rows):
            chosen.append(rows[np.argmax(vectors[rows] @ vectors[rows].mean(0))])
            mean = probs[rows].mean(0)
            doubt.append(-(mean * np.log(np.maximum(mean, 1e-12))).sum())
    return np.array(chosen, dtype=np.int64)[np.argsort(-np.array(doubt), kind="stable")]


def _clusters(vectors: np.ndarray, centres: np.ndarray, steps: int = 20) -> np.ndarray:
    """The cluster of each vector, by k-means with cosines; a cluster may become empty."""
    for _ in range(steps):
        cluster = (vectors @ _unit(centres).T).argmax(1)
        sums = np.zeros_like(centres)
        np.add.at(sums, cluster, vectors)
        centres = np.where((sums != 0).any(1, keepdims=True), sums, centres)
    return np.asarray(cluster)


def _spread(vectors: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Rows far from each other, as k-means++ draws them."""
    rows = [int(rng.integers(len(vectors)))]
    distance = np.full(len(vectors), np.inf)
    while len(rows) < count:
        distance = np.minimum(distance, np.maximum(2 - 2 * vectors @ vectors[rows[-1]], 0))
        total = distance.sum()
        rows.append(int(rng.choice(len(vectors), p=distance / total)) if total > 1e-9 else len(rows) % len(vectors))
    return np.array(rows)


def _check(data: FitData) -> None:
    missing = [name for c, name in enumerate(data.label_names) if not (data.prototype_labels == c).any()]
    if missing:
        raise UserError(
            f"label_descriptions: no description for class {missing[0]!r}; without labels, expected a description of "
            "each class whose name says nothing"
        )
    if len(data.unlabeled) < FEWEST_TEXTS * data.num_labels:
        raise UserError(
            f"unlabeled: got {len(data.unlabeled)} texts for {data.num_labels} classes; without labels, expected at "
            f"least {FEWEST_TEXTS * data.num_labels}"
        )


def _temperature(logits: np.ndarray, accuracy: float) -> float:
    """Temperature at which the mean confidence is the accuracy."""

    def surplus(log_temperature: float) -> float:
        return float(softmax(logits / np.exp(log_temperature), axis=1).max(1).mean()) - accuracy

    low, high = -5.0, 5.0
    if surplus(low) <= 0 or surplus(high) >= 0:
        return 1.0
    return float(np.exp(brentq(surplus, low, high, xtol=1e-4)))


def _warning(trust: float, expected: float, probs: np.ndarray, label_names: Sequence[str]) -> str | None:
    if trust < TRUSTED:
        return (
            f"The class names seem to say little about these texts: about {expected:.0%} of the predictions are "
            "expected to be right. Describe the classes by label_descriptions, or label a few texts; "
            "to_label lists those whose labels would tell most."
        )
    counts = np.bincount(probs.argmax(1), minlength=len(label_names))
    unseen = [name for name, count in zip(label_names, counts, strict=True) if not count]
    return f"No text is classified as {unseen[0]!r}. Describe that class by label_descriptions." if unseen else None


def _unit(x: np.ndarray) -> np.ndarray:
    norms = np.linalg.norm(x, axis=-1, keepdims=True)
    return np.asarray(x / np.maximum(norms, 1e-12))

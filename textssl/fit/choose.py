"""The average of candidates that is given back, which is one candidate where one is clearly the best."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .out_of_fold import Difference, OutOfFold, compare
from .stacking import stacking_weights


__all__ = ["Choice", "average", "choose"]

# Of the classifiers that run one after another in the end: the average of the heads is one of them.
MOST_NETWORKS = 3
# A member of less weight changes nothing but the time that the classifier takes.
LEAST_WEIGHT = 0.1
# Part of the held-out examples of the others that a candidate must have been scored on.
LEAST_SCORED = 0.5
# Weight of the baseline before any label has spoken; the others share the rest, and it has its share of that too.
BASELINE = 0.5


@dataclass(frozen=True, eq=False)
class Choice:
    """What was chosen.

    Attributes:
        weights: of the candidates whose calibrated logits are averaged, by name; they sum to one.
        baseline: the candidate that others had to beat.
        differences: log-loss of each other candidate minus that of the baseline.
        out_of_fold: what the choice said of held-out examples; ``None`` where no example could be held out.
    """

    weights: Mapping[str, float]
    baseline: str
    differences: Mapping[str, Difference]
    out_of_fold: OutOfFold | None


def choose(scores: Mapping[str, OutOfFold], baseline: str, heads: Collection[str] = ()) -> Choice:
    """Average the candidates with the weights that fit the held-out labels best, drawn to the baseline.

    The heads are averaged first, since their mean is one head and costs nothing; then this mean and the networks, of
    which the best few are kept. See :func:`textssl.fit.stacking.stacking_weights`.

    Args:
        scores: of the candidates, by name.
        baseline: the cheapest candidate that learns from labels alone.
        heads: names of those that are linear heads on the frozen encoder.
    """
    differences = {name: compare(score, scores[baseline]) for name, score in scores.items() if name != baseline}
    weights = {baseline: 1.0}
    own = {name: score for name, score in scores.items() if name in heads}
    if baseline in own:
        weights = _averaged(own, baseline, len(own))
    mean = average([scores[name] for name in weights], list(weights.values()))
    networks = {name: score for name, score in scores.items() if name not in own and name != baseline}
    if networks:
        # The name of the baseline stands for the mean of all heads.
        shares = _averaged({baseline: mean, **networks}, baseline, MOST_NETWORKS)
        # The mean of calibrated logits is not calibrated itself.
        of_heads = shares.pop(baseline, 0.0) / (mean.temperature() if len(weights) > 1 else 1.0)
        weights = {**{name: of_heads * weight for name, weight in weights.items() if of_heads}, **shares}
        total = sum(weights.values())
        weights = {name: weight / total for name, weight in weights.items()}
        mean = average([scores[name] for name in weights], list(weights.values()))
    return Choice(weights, baseline, differences, mean)


def average(scores: Sequence[OutOfFold], weights: Sequence[float]) -> OutOfFold:
    """The weighted mean of calibrated logits of several candidates, where all of them have some."""
    if len(scores) == 1:
        return scores[0]
    logits = sum(weight * score.calibrated() for weight, score in zip(weights, scores, strict=True))
    return OutOfFold(np.asarray(logits), scores[0].labels, scores[0].folds)


def _averaged(scores: Mapping[str, OutOfFold], first: str, most: int) -> dict[str, float]:
    """Weights of the best of a few, at most ``most``; ``first`` has more of the prior than the others."""
    largest = max((score.scored.sum() for name, score in scores.items() if name != first), default=0)
    names = [name for name, score in scores.items() if name == first or score.scored.sum() >= LEAST_SCORED * largest]
    common = np.all([scores[name].scored for name in names], axis=0)
    divisions, rows = np.nonzero(common)
    logits = np.stack([scores[name].within(common).calibrated()[divisions, rows] for name in names])
    prior = np.array([(1 - BASELINE) / len(names) + BASELINE * (name == first) for name in names])
    labels = scores[first].labels
    found = stacking_weights(logits, labels[rows], 1 / common.sum(0)[rows], prior)
    order = np.argsort(-found, kind="stable")[:most]
    kept = {names[place]: float(found[place]) for place in order if found[place] >= LEAST_WEIGHT or place == order[0]}
    return {name: weight / sum(kept.values()) for name, weight in kept.items()}

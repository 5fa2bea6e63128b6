"""Which candidate, or which average of a few, is given back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .out_of_fold import Difference, OutOfFold, compare, paired


__all__ = ["Choice", "average", "choose", "votes"]

DRAWS = 1000
MOST_MEMBERS = 3
# A member of less weight changes nothing but the time that the classifier takes.
LEAST_WEIGHT = 0.1
# Standard errors that a candidate must be better by than the baseline.
MARGIN = 1.0


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


def choose(scores: Mapping[str, OutOfFold], baseline: str, seed: int = 0) -> Choice:
    """Vote among the candidates, and average those with the most votes.

    Labeled examples are drawn with replacement a thousand times, and each draw votes for the candidate of the lowest
    log-loss on it (pseudo-BMA+ of Yao et al., 2018, arXiv:1704.02030, votes in place of weights). For the vote, each
    candidate but the baseline is worse by one standard error of its difference to the baseline. Where one candidate
    is clearly the best it has all the votes; where labels are too few to tell, the baseline and the best few share
    them, and so does the average. At most three candidates are averaged.

    Args:
        scores: of the candidates, by name.
        baseline: the cheapest candidate that learns from labels alone.
        seed: of the draws.
    """
    differences = {name: compare(score, scores[baseline]) for name, score in scores.items() if name != baseline}
    share = votes(differences, scores, baseline, seed)
    most = sorted(share, key=lambda name: -share[name])[:MOST_MEMBERS]
    kept = {name: share[name] for name in most if share[name] >= LEAST_WEIGHT}
    weights = {name: weight / sum(kept.values()) for name, weight in kept.items()}
    return Choice(weights, baseline, differences, average([scores[name] for name in weights], list(weights.values())))


def votes(
    differences: Mapping[str, Difference], scores: Mapping[str, OutOfFold], baseline: str, seed: int
) -> dict[str, float]:
    """Share of the draws that each candidate wins.

    A candidate that was scored on fewer folds has its mean difference where it has none of its own.
    """
    names = [baseline, *differences]
    gaps = np.zeros((len(names), len(scores[baseline].labels)))
    known = scores[baseline].scored.any(0)
    for place, name in enumerate(names[1:], start=1):
        own, gap = paired(scores[name], scores[baseline]), differences[name]
        scored = ~np.isnan(own)
        each = np.where(scored, own, 0.0).sum(0) / np.maximum(scored.sum(0), 1)
        # Of one example there is no standard error.
        penalty = MARGIN * gap.error if np.isfinite(gap.error) else 1e6
        gaps[place] = np.where(scored.any(0), each, gap.mean) + penalty
    gaps = gaps[:, known]
    rng = np.random.default_rng([seed, 9])
    drawn = rng.multinomial(gaps.shape[1], np.full(gaps.shape[1], 1 / gaps.shape[1]), size=DRAWS)
    winners = (drawn @ gaps.T).argmin(1)
    counts = np.bincount(winners, minlength=len(names)) / DRAWS
    return dict(zip(names, counts.tolist(), strict=True))


def average(scores: Sequence[OutOfFold], weights: Sequence[float]) -> OutOfFold:
    """The weighted mean of calibrated logits of several candidates, where all of them have some."""
    if len(scores) == 1:
        return scores[0]
    logits = sum(weight * score.calibrated() for weight, score in zip(weights, scores, strict=True))
    return OutOfFold(np.asarray(logits), scores[0].labels, scores[0].folds)

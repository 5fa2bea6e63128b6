"""Which candidate, or which average of a few, is given back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .out_of_fold import Difference, OutOfFold, compare


__all__ = ["Choice", "average", "choose"]


@dataclass(frozen=True, eq=False)
class Choice:
    """What was chosen.

    Attributes:
        members: names of candidates whose calibrated logits are averaged; one of them is one candidate alone.
        baseline: the candidate that others had to beat.
        differences: log-loss of each candidate minus that of the baseline.
        out_of_fold: what the choice said of held-out examples; ``None`` where no example could be held out.
    """

    members: tuple[str, ...]
    baseline: str
    differences: Mapping[str, Difference]
    out_of_fold: OutOfFold | None


def choose(scores: Mapping[str, OutOfFold], baseline: str, margin: float = 1.0) -> Choice:
    """The candidate of the lowest log-loss among those that beat the baseline by more than the standard error.

    Args:
        scores: of the candidates, by name.
        baseline: name of the one that stays unless another is better.
        margin: standard errors of the paired difference that a candidate must be better by.
    """
    losses = {name: score.losses for name, score in scores.items()}
    differences = {name: compare(losses[name], losses[baseline]) for name in scores if name != baseline}
    beating = [name for name, gap in differences.items() if gap.mean < -margin * gap.error]
    chosen = min(beating, key=lambda name: differences[name].mean, default=baseline)
    return Choice((chosen,), baseline, differences, scores[chosen])


def average(scores: Sequence[OutOfFold]) -> OutOfFold:
    """The mean of calibrated logits of several candidates, where all of them have some."""
    logits = np.mean([score.calibrated() for score in scores], axis=0)
    return OutOfFold(logits, scores[0].labels, scores[0].folds)

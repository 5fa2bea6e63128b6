"""Estimates how well the chosen classifier will do on new examples, from the labels that it was trained on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from .out_of_fold import OutOfFold


__all__ = ["Estimate", "expected_scores", "macro_f1_of", "optimism", "scores_of"]

DRAWS = 1000
SELECTIONS = 200
LEVEL = 0.9
# Labels are seldom drawn quite as new examples are. With 1 the intervals held three of four runs, not nine of ten.
NOT_ALIKE = 2.0


@dataclass(frozen=True)
class Estimate:
    """A figure with an interval of 90 %.

    Attributes:
        value: expected.
        low: lower end.
        high: upper end.
    """

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{100 * self.value:.1f} % ({100 * self.low:.1f} to {100 * self.high:.1f})"


def expected_scores(scores: OutOfFold, shares: np.ndarray | None, bias: float, seed: int) -> tuple[Estimate, Estimate]:
    """Accuracy and macro-F1 on examples whose classes have given shares.

    What held-out examples of each class were taken for is a row of counts. The posterior of each row is a Dirichlet
    distribution around the counts, with one more example that is right as often as all examples are: ten right
    answers out of ten leave a doubt. Rows are weighted by the shares of the classes.

    Folds train on fewer labels than the final classifier has, which is a little better for it.

    Args:
        scores: what the chosen classifier said of held-out examples.
        shares: of the classes among new examples ``[C]``; those of the labels by default.
        bias: how much better the best single candidate looks for having been chosen, see :func:`optimism`. Half of
            it is taken off, all of it at the lower end.
        seed: of the draws.
    """
    counts = _confusion(scores)
    folds = 1 + int(scores.folds.max())
    # Folds share what they train on: Nadeau and Bengio (2003, Machine Learning 52).
    effective = counts / (1 + folds / max(1, folds - 1)) / NOT_ALIKE
    if shares is None:
        shares = np.bincount(scores.labels, minlength=len(counts)) / len(scores.labels)
    drawn = _posterior(effective, np.random.default_rng([seed, 7])) * shares[:, None]
    accuracy = np.trace(drawn, axis1=1, axis2=2)
    hits = np.diagonal(drawn, axis1=1, axis2=2)
    present = shares > 0
    f1 = (2 * hits / np.maximum(drawn.sum(1) + shares, 1e-12))[:, present].mean(1)
    return _estimate(accuracy, bias), _estimate(f1, bias)


def optimism(scores: Mapping[str, OutOfFold], seed: int) -> float:
    """How much higher the accuracy of the best candidate is on what it was chosen by than on other examples.

    Labeled examples are drawn with replacement, the candidate of the lowest log-loss on those is scored on the
    examples that were not drawn, and the difference averaged (Tsamardinos, Greasidou and Borboudakis, 2018,
    arXiv:1708.07180).

    Args:
        scores: of all candidates that could have been chosen.
        seed: of the draws.
    """
    if len(scores) < 2:
        return 0.0
    common = np.all([score.scored.any(0) for score in scores.values()], axis=0)
    rows = np.flatnonzero(common)
    losses = np.array([_mean_of_divisions(score.losses[:, rows]) for score in scores.values()])
    right = np.array([_mean_of_divisions(score.right()[:, rows]) for score in scores.values()])
    rng, gaps = np.random.default_rng([seed, 8]), []
    for _ in range(SELECTIONS):
        drawn = rng.integers(len(rows), size=len(rows))
        others = np.setdiff1d(np.arange(len(rows)), drawn)
        best = losses[:, drawn].mean(1).argmin()
        if len(others):
            # Against all candidates, so that a hard draw is no optimism.
            seen, unseen = ((right[best, part] - right[:, part]).mean() for part in (drawn, others))
            gaps.append(seen - unseen)
    return max(0.0, float(np.mean(gaps))) if gaps else 0.0


def scores_of(scores: OutOfFold) -> tuple[float, float]:
    """Accuracy and macro-F1 of what was said of held-out examples."""
    counts = _confusion(scores)
    return float(np.trace(counts) / counts.sum()), macro_f1_of(counts)


def macro_f1_of(counts: np.ndarray) -> float:
    """Macro-F1 of a table of counts, true classes by predicted ones, over the classes that are in it."""
    total = counts.sum(0) + counts.sum(1)
    return float(np.mean(2 * np.diag(counts)[total > 0] / total[total > 0]))


def _confusion(scores: OutOfFold) -> np.ndarray:
    """How often an example of a class was taken for another ``[C, C]``; each example counts once."""
    scored = scores.scored
    divisions, rows = np.nonzero(scored)
    predicted = scores.logits[divisions, rows].argmax(-1)
    counts = np.zeros((scores.logits.shape[-1],) * 2)
    np.add.at(counts, (scores.labels[rows], predicted), 1 / scored.sum(0)[rows])
    return counts


def _posterior(counts: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draws of the shares that each class is predicted as, ``[draws, C, C]``."""
    classes = len(counts)
    middle = (1 + 1 / classes) / 2
    right = (np.trace(counts) + 2 * middle) / (counts.sum() + 2)
    prior = np.full((classes, classes), (1 - right) / max(1, classes - 1))
    np.fill_diagonal(prior, right)
    drawn = rng.gamma(np.maximum(counts + prior, 1e-3), size=(DRAWS, classes, classes))
    return drawn / drawn.sum(2, keepdims=True)


def _mean_of_divisions(table: np.ndarray) -> np.ndarray:
    scored = ~np.isnan(table)
    mean: np.ndarray = np.where(scored, table, 0.0).sum(0) / np.maximum(scored.sum(0), 1)
    return mean


def _estimate(drawn: np.ndarray, bias: float) -> Estimate:
    """An average of candidates is less optimistic than the choice of one: between none of the bias and all of it."""
    low, high = np.quantile(drawn, ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    return Estimate(*(float(np.clip(value, 0, 1)) for value in (drawn.mean() - bias / 2, low - bias, high)))

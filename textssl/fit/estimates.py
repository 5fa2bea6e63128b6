"""How well the chosen classifier will do on new examples, told from the labels that it was trained on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .out_of_fold import OutOfFold


__all__ = ["Estimate", "expected_scores"]

DRAWS = 1000


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


def expected_scores(scores: OutOfFold, seed: int) -> dict[str, Estimate]:
    """Accuracy and macro-F1, from what was said of held-out examples.

    The interval is that of a bootstrap over examples.

    Returns:
        ``{"accuracy": ..., "macro_f1": ...}``.
    """
    rows = np.flatnonzero(scores.scored.any(0))
    rng = np.random.default_rng([seed, 7])
    drawn = [rows, *(rng.choice(rows, len(rows)) for _ in range(DRAWS))]
    figures = {name: np.array([figure(scores, chosen) for chosen in drawn]) for name, figure in FIGURES.items()}
    return {
        name: Estimate(float(values[0]), *(float(v) for v in np.quantile(values[1:], (0.05, 0.95))))
        for name, values in figures.items()
    }


def _accuracy(scores: OutOfFold, rows: np.ndarray) -> float:
    return float(np.nanmean(scores.right()[:, rows]))


def _macro_f1(scores: OutOfFold, rows: np.ndarray) -> float:
    divisions, places = np.nonzero(scores.scored[:, rows])
    labels = scores.labels[rows][places]
    predicted = scores.logits[divisions, rows[places]].argmax(-1)
    classes = np.union1d(labels, predicted)
    matched = [np.sum((labels == c) & (predicted == c)) for c in classes]
    either = [np.sum(labels == c) + np.sum(predicted == c) for c in classes]
    return float(np.mean(2 * np.array(matched) / np.array(either)))


FIGURES = {"accuracy": _accuracy, "macro_f1": _macro_f1}

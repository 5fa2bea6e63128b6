"""What a candidate said of labeled examples that it was not trained on, and how it compares with another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .calibration import fit_temperature, log_losses
from .folds import Fold


__all__ = ["Difference", "OutOfFold", "compare", "paired"]


@dataclass(frozen=True, eq=False)
class OutOfFold:
    """Logits of held-out examples over all folds that were run.

    Attributes:
        logits: ``[R, N, C]`` of R divisions into folds; nan where no fold held the example out, or none was run.
        labels: class numbers ``[N]``.
        folds: which fold of the division holds each example out ``[R, N]``; -1 for none.
    """

    logits: np.ndarray
    labels: np.ndarray
    folds: np.ndarray

    @classmethod
    def of(
        cls, folds: Sequence[Fold], parts: Sequence[np.ndarray], labels: np.ndarray, shape: tuple[int, int]
    ) -> OutOfFold:
        """Gather logits.

        Args:
            folds: that were run.
            parts: logits ``[n, C]`` of what each of them holds out.
            labels: class numbers ``[N]``.
            shape: R and C.
        """
        divisions, classes = shape
        logits = np.full((divisions, len(labels), classes), np.nan)
        numbers = np.full((divisions, len(labels)), -1)
        for fold, part in zip(folds, parts, strict=True):
            logits[fold.repetition, fold.held_out] = part
            numbers[fold.repetition, fold.held_out] = fold.number
        return cls(logits, np.asarray(labels, dtype=np.int64), numbers)

    @property
    def scored(self) -> np.ndarray:
        """Whether there are logits, ``[R, N]``."""
        return ~np.isnan(self.logits[..., 0])

    def within(self, common: np.ndarray) -> OutOfFold:
        """Only those logits that lie where ``common`` ``[R, N]`` is true."""
        if (common | ~self.scored).all():
            return self
        return OutOfFold(np.where(common[..., None], self.logits, np.nan), self.labels, self.folds)

    def temperature(self, without: np.ndarray | None = None) -> float:
        """The temperature that fits all logits best, an example counting once however often it was held out.

        Args:
            without: rows ``[N]`` to leave out, where it is to be scored on those.
        """
        scored = self.scored if without is None else self.scored & ~without
        divisions, rows = np.nonzero(scored)
        weights = 1 / scored.sum(0)[rows]
        return fit_temperature(self.logits[divisions, rows], self.labels[rows], weights)

    def calibrated(self) -> np.ndarray:
        """Logits ``[R, N, C]``, each divided by a temperature that was fitted without the examples of its fold."""
        scaled = self.logits.copy()
        for division, numbers in enumerate(self.folds):
            for number in np.unique(numbers[self.scored[division]]):
                own = numbers == number
                scaled[division, own] /= self.temperature(without=own)
        return scaled

    @cached_property
    def losses(self) -> np.ndarray:
        """Log-loss of each example after calibration, ``[R, N]``; nan where there are no logits."""
        losses = np.full(self.folds.shape, np.nan)
        scaled = self.calibrated()
        divisions, rows = np.nonzero(self.scored)
        losses[divisions, rows] = log_losses(scaled[divisions, rows], self.labels[rows])
        return losses

    def right(self) -> np.ndarray:
        """1 where the class of the highest logit is the label, else 0, ``[R, N]``; nan where there are no logits."""
        predicted = np.nan_to_num(self.logits).argmax(-1)
        return np.where(self.scored, (predicted == self.labels).astype(np.float64), np.nan)


@dataclass(frozen=True)
class Difference:
    """How much greater the log-loss of one candidate is than that of another; below 0 it is the better one.

    Attributes:
        mean: of the differences of the examples that both were scored on.
        error: standard error of that mean.
        count: number of examples.
    """

    mean: float
    error: float
    count: int

    @property
    def interval(self) -> tuple[float, float]:
        """An interval of 90 %, by the normal distribution."""
        return self.mean - 1.645 * self.error, self.mean + 1.645 * self.error


def compare(scores: OutOfFold, others: OutOfFold) -> Difference:
    """Compare the log-losses of two candidates, pair by pair.

    The differences of an example are averaged over the divisions first, since they are no independent witnesses; the
    standard error is that of a mean over examples.
    """
    gaps = paired(scores, others)
    scored = ~np.isnan(gaps)
    rows = scored.any(0)
    each = np.where(scored, gaps, 0.0).sum(0)[rows] / scored.sum(0)[rows]
    if not len(each):
        return Difference(0.0, float("inf"), 0)
    error = float(each.std(ddof=1) / np.sqrt(len(each))) if len(each) > 1 else float("inf")
    return Difference(float(each.mean()), error, len(each))


def paired(scores: OutOfFold, others: OutOfFold) -> np.ndarray:
    """Differences of log-losses ``[R, N]``, nan where not both have logits.

    Only where both have logits do they count, in the temperatures too: one that was scored on two folds has fewer
    examples to fit its own on.
    """
    common = scores.scored & others.scored
    gaps: np.ndarray = scores.within(common).losses - others.within(common).losses
    return gaps

"""Scores of a classifier on labeled examples: accuracy, macro-F1, each class, log-loss, calibration, confusion.

One function, `classification_scores`, from class numbers ``[N]`` and probabilities ``[N, C]``.

Examples:
    >>> from textssl.report.classification_scores import classification_scores
    >>> scores = classification_scores([0, 0, 1, 1], [[0.9, 0.1], [0.6, 0.4], [0.3, 0.7], [0.8, 0.2]], ["no", "yes"])
    >>> scores.accuracy, [round(bound, 2) for bound in scores.accuracy_interval]
    (0.75, [0.3, 0.95])
    >>> scores.confusion
    [[2, 0], [1, 1]]
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import Any

import numpy as np

from textssl.errors import UserError


__all__ = [
    "ClassScores",
    "ClassificationScores",
    "ReliabilityBin",
    "classification_scores",
    "macro_f1_interval",
    "reliability_bins",
    "wilson_interval",
]

BINS = 15
RESAMPLES = 1000


@dataclass(frozen=True)
class ClassScores:
    """How well one class is found.

    Attributes:
        label: name of the class.
        precision: share of the examples predicted as this class that are of it; 0 where none is predicted.
        recall: share of the class's examples that are predicted as it; 0 where it has none.
        f1: harmonic mean of the two.
        support: examples of the class.
        predicted: examples that are predicted as the class.
    """

    label: str
    precision: float
    recall: float
    f1: float
    support: int
    predicted: int


@dataclass(frozen=True)
class ReliabilityBin:
    """The examples whose confidence is in ``[low, high)``; the last bin has 1 too.

    Attributes:
        low: least confidence of the bin.
        high: where the next bin begins.
        confidence: mean confidence of the bin's examples; None where it has none.
        accuracy: share of them that are predicted right; None where it has none.
        count: how many they are.
    """

    low: float
    high: float
    confidence: float | None
    accuracy: float | None
    count: int


@dataclass(frozen=True)
class ClassificationScores:
    """What `classification_scores` returns.

    Attributes:
        examples: N, the labeled examples.
        accuracy: share that is predicted right.
        accuracy_interval: its 95 % interval, Wilson's.
        macro_f1: mean of F1 over the classes that occur among the labels or the predictions.
        macro_f1_interval: its 95 % interval, by the bootstrap.
        log_loss: mean of ``-log p(label)``.
        calibration_error: expected calibration error over the bins.
        per_class: one item per class, in the order of the columns.
        reliability: bins of equal width from 0 to 1.
        confusion: counts ``[C, C]``; row = label, column = prediction.
        label_names: names of the classes, in the order of the columns.
    """

    examples: int
    accuracy: float
    accuracy_interval: tuple[float, float]
    macro_f1: float
    macro_f1_interval: tuple[float, float]
    log_loss: float
    calibration_error: float
    per_class: list[ClassScores]
    reliability: list[ReliabilityBin]
    confusion: list[list[int]]
    label_names: list[str]

    def as_dict(self) -> dict[str, Any]:
        """Plain lists, numbers and strings, for JSON."""
        plain = asdict(self)
        plain["accuracy_interval"] = list(self.accuracy_interval)
        plain["macro_f1_interval"] = list(self.macro_f1_interval)
        return plain


def classification_scores(
    labels: Sequence[int] | np.ndarray,
    probs: Sequence[Sequence[float]] | np.ndarray,
    label_names: Sequence[str] | None = None,
    *,
    bins: int = BINS,
    seed: int = 0,
) -> ClassificationScores:
    """Score probabilities against labels.

    The prediction is the class of the highest probability, the first of several that are equally high. The log-loss
    counts a probability below 2.2e-16 as that number, as scikit-learn does, so that it is finite.

    Args:
        labels: class numbers ``[N]``, 0 to C - 1.
        probs: probabilities ``[N, C]``; each row sums to one.
        label_names: of the C classes; their numbers by default.
        bins: of the reliability diagram, of equal width.
        seed: of the resamples of the interval of macro-F1.

    Raises:
        UserError: no example, shapes that do not match, a label that is no class, or rows that are no probabilities.
    """
    truth, probs, names = _checked(labels, probs, label_names)
    count, classes = probs.shape
    predicted = probs.argmax(1)
    confusion = np.bincount(truth * classes + predicted, minlength=classes**2).reshape(classes, classes)
    right = int(np.trace(confusion))
    reliability = reliability_bins(probs.max(1), predicted == truth, bins)
    gaps = [abs(part.accuracy - part.confidence) * part.count for part in reliability if part.count]  # type: ignore
    losses = -np.log(np.clip(probs[np.arange(count), truth], np.finfo(np.float64).eps, None))
    return ClassificationScores(
        examples=count,
        accuracy=right / count,
        accuracy_interval=wilson_interval(right, count),
        macro_f1=_macro_f1(*_margins(confusion)),
        macro_f1_interval=macro_f1_interval(confusion, seed=seed),
        log_loss=float(losses.mean()),
        calibration_error=float(sum(gaps) / count),
        per_class=_per_class(confusion, names),
        reliability=reliability,
        confusion=confusion.tolist(),
        label_names=names,
    )


def wilson_interval(right: int, count: int, level: float = 0.95) -> tuple[float, float]:
    """Interval of a share, by the score test (Wilson, 1927, JASA 22:209-212).

    Unlike ``p ± 1.96 * sqrt(p * (1 - p) / n)`` it stays within [0, 1] and is not empty at 0 and 1.

    Args:
        right: how many of them are right.
        count: how many there are, at least 1.
        level: of confidence.
    """
    share, z = right / count, NormalDist().inv_cdf((1 + level) / 2)
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count)) / (1 + z * z / count)
    low = 0.0 if right == 0 else middle - half
    high = 1.0 if right == count else middle + half
    return low, high


def macro_f1_interval(
    confusion: np.ndarray, level: float = 0.95, resamples: int = RESAMPLES, seed: int = 0
) -> tuple[float, float]:
    """Interval of macro-F1 by the percentile bootstrap (Efron, 1979, Annals of Statistics 7:1-26).

    Drawing N examples with replacement and counting them is one draw of a multinomial over the cells of the confusion
    matrix, so the cost does not depend on N.

    Args:
        confusion: counts ``[C, C]``; row = label, column = prediction.
        level: of confidence.
        resamples: how many times the examples are drawn.
        seed: of the draws.
    """
    rows, columns = np.nonzero(confusion)
    cells = confusion[rows, columns]
    rng, classes = np.random.default_rng(seed), len(confusion)
    scores = np.empty(resamples)
    for index in range(resamples):
        drawn = rng.multinomial(cells.sum(), cells / cells.sum())
        support = np.bincount(rows, weights=drawn, minlength=classes)
        predicted = np.bincount(columns, weights=drawn, minlength=classes)
        right = np.bincount(rows, weights=drawn * (rows == columns), minlength=classes)
        scores[index] = _macro_f1(right, support, predicted)
    low, high = np.quantile(scores, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def reliability_bins(confidence: np.ndarray, right: np.ndarray, bins: int = BINS) -> list[ReliabilityBin]:
    """Confidence and accuracy in bins of equal width (Guo et al., 2017, arXiv:1706.04599, section 2).

    Args:
        confidence: of each prediction ``[N]``, in [0, 1].
        right: whether it is right ``[N]``.
        bins: how many from 0 to 1.
    """
    numbers = np.minimum((np.asarray(confidence) * bins).astype(np.int64), bins - 1)
    found = []
    for number in range(bins):
        own = numbers == number
        count = int(own.sum())
        mean, accuracy = (float(np.mean(confidence[own])), float(np.mean(right[own]))) if count else (None, None)
        found.append(ReliabilityBin(number / bins, (number + 1) / bins, mean, accuracy, count))
    return found


def _per_class(confusion: np.ndarray, names: list[str]) -> list[ClassScores]:
    right, support, predicted = _margins(confusion)
    precision, recall = right / np.maximum(predicted, 1), right / np.maximum(support, 1)
    f1 = _f1(right, support, predicted)
    return [
        ClassScores(name, float(precision[i]), float(recall[i]), float(f1[i]), int(support[i]), int(predicted[i]))
        for i, name in enumerate(names)
    ]


def _margins(confusion: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return np.diag(confusion), confusion.sum(1), confusion.sum(0)


def _f1(right: np.ndarray, support: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    f1: np.ndarray = 2 * right / np.maximum(support + predicted, 1)
    return f1


def _macro_f1(right: np.ndarray, support: np.ndarray, predicted: np.ndarray) -> float:
    return float(_f1(right, support, predicted)[support + predicted > 0].mean())


def _checked(labels: Any, probs: Any, label_names: Sequence[str] | None) -> tuple[np.ndarray, np.ndarray, list[str]]:
    truth, probs = np.asarray(labels), np.asarray(probs, dtype=np.float64)
    if probs.ndim != 2 or truth.shape != probs.shape[:1]:
        raise UserError(f"labels and probs: got shapes {truth.shape} and {probs.shape}; expected [N] and [N, C]")
    if not len(truth):
        raise UserError("labels: got none; expected at least one labeled example")
    if truth.dtype.kind not in "iu" or truth.min() < 0 or truth.max() >= probs.shape[1]:
        raise UserError(
            f"labels: got {truth.dtype} from {truth.min()} to {truth.max()}; "
            f"expected class numbers from 0 to {probs.shape[1] - 1}"
        )
    if not np.isfinite(probs).all() or probs.min() < 0 or np.abs(probs.sum(1) - 1).max() > 1e-3:
        raise UserError("probs: got rows that are not probabilities; expected numbers from 0 to 1 that sum to 1")
    names = [str(number) for number in range(probs.shape[1])] if label_names is None else list(label_names)
    if len(names) != probs.shape[1]:
        raise UserError(f"label_names: got {len(names)}; expected the names of {probs.shape[1]} classes")
    return truth.astype(np.int64), probs, names

"""An evaluation as a page shows it: the confusion of classes, the reliability of confidences, each class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from textssl.report.classification_scores import wilson_interval
from textssl.report.html.formats import count, interval, percent
from textssl.report.html.tables import Table
from textssl.report.parts import Bin, ClassScore


__all__ = ["Confusion", "Reliability", "confusion", "recall_interval", "reliability"]

# A larger table is not read any more.
LARGEST = 30
# Shares from which a cell is darker: most mistakes are few, and should still be told apart.
SHADES = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 0.7, 0.9)
PAIRS = 12
# The drawing's own units, as in the charts of lines.
LEFT, RIGHT, TOP, BOTTOM, FLOOR = 46.0, 338.0, 12.0, 252.0, 316.0


@dataclass(frozen=True)
class Confusion:
    """Counts of true classes by predicted ones.

    Attributes:
        rows: the class, its number of examples, and for each prediction the count and how dark it is, 0 to 9.
        pairs: class, prediction, count and share of the class, the most frequent mistakes first.
        whole: whether the table is small enough to be shown.
    """

    rows: tuple[tuple[str, int, tuple[tuple[int, int], ...]], ...]
    pairs: tuple[tuple[str, str, str, str], ...]
    whole: bool


def confusion(table: Sequence[Sequence[int]], classes: Sequence[str]) -> Confusion:
    """The table with the shade of each cell: its share of the row's examples."""
    rows, wrong = [], []
    for true, counts in enumerate(table):
        total = sum(counts)
        shades = tuple((n, sum(n > share * total for share in SHADES)) for n in counts)
        rows.append((classes[true], total, shades))
        wrong += [(n, true, guess, total) for guess, n in enumerate(counts) if n and guess != true]
    wrong.sort(key=lambda mistake: (-mistake[0], mistake[1:3]))
    pairs = tuple(
        (classes[true], classes[guess], count(n), percent(n / total)) for n, true, guess, total in wrong[:PAIRS]
    )
    return Confusion(tuple(rows), pairs, len(table) <= LARGEST)


@dataclass(frozen=True)
class Reliability:
    """Where a reliability diagram has its marks.

    Attributes:
        marks: places across and up of each bin's mean, ends of the interval of its accuracy, and whether it has so
            few examples that it says little.
        bars: place, width, top and height of the number of examples of each bin.
        largest: number of examples of the largest bin.
        axis: places and labels of shares, across and up.
        table: of the bins.
        told: the diagram in words.
    """

    marks: tuple[tuple[float, float, float, float, bool], ...]
    bars: tuple[tuple[float, float, float, float], ...]
    largest: int
    axis: tuple[tuple[float, float, str], ...]
    table: Table
    told: str


def reliability(bins: Sequence[Bin]) -> Reliability | None:
    """The diagram of bins of confidence; ``None`` if all are empty."""
    filled = [one for one in bins if one.count and one.confidence is not None and one.accuracy is not None]
    if not filled:
        return None
    largest = max(one.count for one in filled)
    marks, bars, rows = [], [], []
    for one in filled:
        confidence, accuracy = one.confidence or 0.0, one.accuracy or 0.0
        low, high = wilson_interval(round(accuracy * one.count), one.count)
        marks.append((_across(confidence), _up(accuracy), _up(low), _up(high), one.count < 10))
        height = round((FLOOR - BOTTOM - 26) * one.count / largest, 1)
        left, width = _across(one.low), round(_across(one.high) - _across(one.low), 1)
        bars.append((left, max(1.0, width - 1), round(FLOOR - height, 1), height))
        span = f"{percent(one.low, 0)} to {percent(one.high, 0)}"
        rows.append((span, percent(confidence), percent(accuracy), interval(low, high, percent), count(one.count)))
    above = sum(one.count for one in filled if (one.confidence or 0) > (one.accuracy or 0))
    share = above / sum(one.count for one in filled)
    told = f"{percent(share, 0)} of the predictions are in bins whose confidence is above their accuracy."
    axis = tuple((_across(share), _up(share), percent(share, 0)) for share in (0.0, 0.25, 0.5, 0.75, 1.0))
    header = ("confidence", "mean confidence", "accuracy", "95 % interval", "examples")
    return Reliability(tuple(marks), tuple(bars), largest, axis, Table(header, tuple(rows)), told)


def _across(share: float) -> float:
    return round(LEFT + (RIGHT - LEFT) * share, 1)


def _up(share: float) -> float:
    return round(BOTTOM - (BOTTOM - TOP) * share, 1)


def recall_interval(score: ClassScore) -> str:
    """Interval of 95 % of the recall of a class."""
    if score.recall is None or not score.support:
        return ""
    return interval(*wilson_interval(round(score.recall * score.support), score.support), percent)

"""The candidates of a comparison: their scores with intervals, as a chart and as a table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from textssl.report.html.formats import interval, number, percent, points, round_percent, signed, ticks
from textssl.report.html.tables import Table
from textssl.report.parts import Candidate


__all__ = ["CandidateRow", "Comparison", "comparison", "is_loss"]


IN_A_CELL = 5


@dataclass(frozen=True)
class CandidateRow:
    """One candidate: what is written of it, and where it is drawn, in percent of the chart's width."""

    candidate: Candidate
    mean: str
    interval: str
    scores: str
    difference: str
    verdict: str
    at: float | None
    start: float | None
    end: float | None
    dots: tuple[float, ...]


@dataclass(frozen=True)
class Comparison:
    """All candidates on one axis.

    Attributes:
        rows: in the order of the report.
        axis: places in percent, and labels.
        baseline: place of the candidate that others are compared to.
        baseline_name: its name.
        scored: whether there is anything to draw.
        paired: whether differences are known.
        several: whether a candidate has more than one score.
        folds: table of the scores, if they are too many for a column.
    """

    rows: tuple[CandidateRow, ...]
    axis: tuple[tuple[float, str], ...]
    baseline: float | None
    baseline_name: str
    scored: bool
    paired: bool
    several: bool
    folds: Table | None


def is_loss(metric: str) -> bool:
    """Whether less is better, and the scores are no shares."""
    return "loss" in metric.lower()


def comparison(candidates: Sequence[Candidate], metric: str) -> Comparison:
    """Where and how the candidates are shown.

    Args:
        candidates: of a report.
        metric: that their scores are of.
    """
    write = number if is_loss(metric) else percent
    values = [value for candidate in candidates for value in _values(candidate)]
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    spread = max(high - low, 0.02)
    low, high = low - 0.08 * spread, high + 0.08 * spread

    def place(value: float | None) -> float | None:
        return None if value is None else round(3 + 94 * (value - low) / (high - low), 2)

    paired = any(candidate.difference is not None for candidate in candidates)
    bases = [one for one in candidates if one.difference is None and one.mean is not None] if paired else []
    # With several numbers of labels each has a baseline of its own.
    base = bases[0] if len(bases) == 1 else None
    axis = [(place(value), f"{value:g}" if is_loss(metric) else round_percent(value)) for value in ticks(low, high, 4)]
    return Comparison(
        rows=tuple(_row(candidate, metric, write, place) for candidate in candidates),
        axis=tuple((at, label) for at, label in axis if at is not None),
        baseline=None if base is None else place(base.mean),
        baseline_name="the baseline" if base is None else base.name,
        scored=bool(values),
        paired=paired,
        several=any(len(candidate.scores) > 1 for candidate in candidates),
        folds=_folds(candidates, write),
    )


def _folds(candidates: Sequence[Candidate], write: Callable[[float | None], str]) -> Table | None:
    most = max((len(candidate.scores) for candidate in candidates), default=0)
    if most <= IN_A_CELL:
        return None
    rows = (
        (one.name, *(write(score) for score in one.scores), *[""] * (most - len(one.scores))) for one in candidates
    )
    return Table(("name", *(str(place + 1) for place in range(most))), tuple(rows))


def _values(candidate: Candidate) -> list[float]:
    found = (candidate.mean, candidate.low, candidate.high, *candidate.scores)
    return [value for value in found if value is not None]


def _row(
    candidate: Candidate,
    metric: str,
    write: Callable[[float | None], str],
    place: Callable[[float | None], float | None],
) -> CandidateRow:
    change = signed if is_loss(metric) else points
    gap = interval(candidate.difference_low, candidate.difference_high, change)
    difference = "" if candidate.difference is None else change(candidate.difference)
    dots = [place(score) for score in candidate.scores] if len(candidate.scores) > 1 else []
    return CandidateRow(
        candidate=candidate,
        mean="" if candidate.mean is None else write(candidate.mean),
        interval=interval(candidate.low, candidate.high, write),
        scores=", ".join(write(score) for score in candidate.scores),
        difference=f"{difference} ({gap})" if gap else difference,
        verdict=_verdict(candidate, is_loss(metric)),
        at=place(candidate.mean),
        start=None if candidate.high is None else place(candidate.low),
        end=None if candidate.low is None else place(candidate.high),
        dots=tuple(dot for dot in dots if dot is not None),
    )


def _verdict(candidate: Candidate, less_is_better: bool) -> str:
    if candidate.difference is None:
        return ""
    low, high = candidate.difference_low, candidate.difference_high
    if low is None or high is None:
        return "no interval"
    if low <= 0 <= high:
        return "no clear difference"
    return "better" if (low > 0) != less_is_better else "worse"

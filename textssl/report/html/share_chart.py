"""The shares of the classes among labels, predictions and pseudo-labels, at the end and over steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from textssl.report.html.formats import count, percent, round_percent, ticks
from textssl.report.html.line_chart import Panel, chart
from textssl.report.html.tables import Table, left_out, some_of
from textssl.report.parts import ClassShares, Curve


__all__ = ["ShareRow", "Shares", "share_panels", "shares"]

# More classes than that stand in the table alone.
ROWS, PANELS, COLUMNS = 24, 6, 30
MARKERS = {"labels": "ring", "unlabeled truth": "bar", "predictions": "dot", "pseudo-labels": "diamond"}
# What is so from the first step on.
LEVEL = ("labels", "unlabeled truth")
OTHER_MARKERS = ("square", "cross")


@dataclass(frozen=True)
class ShareRow:
    """A class: its marks, as a shape and a place in percent of the width, and the same in words."""

    name: str
    marks: tuple[tuple[str, float], ...]
    told: str


@dataclass(frozen=True)
class Shares:
    """The last shares of each series.

    Attributes:
        legend: shapes and names of the series.
        rows: one for each class that is drawn.
        axis: places in percent, and labels.
        table: of all classes.
        left_out: number of classes that are not drawn.
    """

    legend: tuple[tuple[str, str], ...]
    rows: tuple[ShareRow, ...]
    axis: tuple[tuple[float, str], ...]
    table: Table
    left_out: int


def shares(series: Sequence[ClassShares], classes: Sequence[str]) -> Shares:
    """The last row of each series, class by class; of many classes those on which the series differ most."""
    legend = _legend(series)
    last = [one.shares[-1] for one in series]
    highest = max((value for row in last for value in row if value is not None), default=0.0)
    end = max(0.01, 1.08 * highest)
    spread = [_spread([row[place] for row in last]) for place in range(len(classes))]
    drawn = sorted(sorted(range(len(classes)), key=lambda place: -spread[place])[:ROWS])
    rows = []
    for place in drawn:
        values = [(shape, name, row[place]) for (shape, name), row in zip(legend, last, strict=True)]
        marks = tuple((shape, _across(value, end)) for shape, _, value in values if value is not None)
        told = ", ".join(f"{name} {percent(value)}" for _, name, value in values)
        rows.append(ShareRow(classes[place], marks, told))
    table = Table(
        ("class", *(one.name for one in series)),
        tuple((name, *(percent(row[place]) for row in last)) for place, name in enumerate(classes)),
    )
    axis = tuple((_across(value, end), round_percent(value)) for value in ticks(0, end, 5))
    return Shares(legend, tuple(rows), axis, table, len(classes) - len(drawn))


def _across(value: float, end: float) -> float:
    return round(4 + 92 * value / end, 2)


def _legend(series: Sequence[ClassShares]) -> tuple[tuple[str, str], ...]:
    others = iter(OTHER_MARKERS * len(series))
    return tuple((MARKERS.get(one.name) or next(others), one.name) for one in series)


def _spread(values: Sequence[float | None]) -> float:
    known = [value for value in values if value is not None]
    return max(known) - min(known) if known else 0.0


def share_panels(series: Sequence[ClassShares], classes: Sequence[str]) -> tuple[list[Panel], list[tuple[str, Table]]]:
    """Shares over steps: a chart for each class, and a table for each series.

    The shares among labels are level lines. Of many classes those that changed most are drawn.
    """
    moving = [one for one in series if len(one.steps) > 1]
    if not moving:
        return [], []
    first, last = min(one.steps[0] for one in moving), max(one.steps[-1] for one in moving)
    highest = max((value for one in series for row in one.shares for value in row if value is not None), default=1.0)
    changed = [max(_spread([row[place] for row in one.shares]) for one in moving) for place in range(len(classes))]
    drawn = sorted(sorted(range(len(classes)), key=lambda place: -changed[place])[:PANELS])
    panels = []
    for place in drawn:
        level = [one for one in series if not one.steps and one.name in LEVEL]
        curves = {one.name: _curve(one, place, one.steps) for one in moving}
        curves |= {one.name: _curve(one, place, (first, last)) for one in level[: 5 - len(curves)]}
        curves = {name: curve for name, curve in curves.items() if any(v is not None for v in curve.values)}
        if curves:
            panels.append(chart(classes[place], curves, percent, (0.0, max(0.01, 1.05 * highest))))
    return panels, [(one.name, _table(one, classes)) for one in moving]


def _curve(one: ClassShares, place: int, steps: tuple[int, ...]) -> Curve:
    values = [row[place] for row in one.shares]
    return Curve(one.name, "share", "", steps, tuple(values if one.steps else values * len(steps)))


def _table(one: ClassShares, classes: Sequence[str]) -> Table:
    rows = tuple(
        (count(one.steps[place]), *(percent(value) for value in one.shares[place][:COLUMNS]))
        for place in some_of(len(one.steps))
    )
    notes = [left_out(len(one.steps))]
    notes += [f"The first {COLUMNS} of {len(classes):,} classes."] if len(classes) > COLUMNS else []
    return Table(("step", *classes[:COLUMNS]), rows, " ".join(notes).strip())

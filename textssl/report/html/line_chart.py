"""Charts of values over optimizer steps: where lines, dots and labels lie, and the same figures as a table."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from textssl.report.html.formats import UNKNOWN, count, number, percent, round_percent, ticks
from textssl.report.html.tables import Table, left_out, some_of
from textssl.report.parts import Curve


__all__ = ["Frame", "Line", "Panel", "chart", "curve_panels", "steps_table"]

# Of a drawing of 360 by 204 units, about the pixels that a phone has.
LEFT, RIGHT, TOP, BOTTOM = 46.0, 342.0, 12.0, 168.0
# More points than that are averaged, more lines are split into charts of their own.
POINTS, LINES, DOTS = 240, 5, 25
PANELS = 24
BASELINES = ("supervised", "probe", "baseline")
SHARES = ("accuracy", "mask rate", "share")


@dataclass(frozen=True)
class Frame:
    """The axes: where round numbers stand.

    Attributes:
        across: places and labels on the horizontal axis.
        up: places and labels on the vertical axis.
    """

    across: tuple[tuple[float, str], ...]
    up: tuple[tuple[float, str], ...]


@dataclass(frozen=True)
class Line:
    """One line of a chart.

    Attributes:
        name: in the legend.
        style: number of the way it is drawn, from 0.
        path: of an SVG.
        dots: drawn where there are few points, or none beside one.
        last: the last value, as text.
        errors: place across and ends of the interval of each dot that has one.
        told: the line in words.
    """

    name: str
    style: int
    path: str
    dots: tuple[tuple[float, float], ...]
    last: str
    told: str
    errors: tuple[tuple[float, float, float], ...] = ()


@dataclass(frozen=True)
class Panel:
    """A chart with its table."""

    title: str
    frame: Frame
    lines: tuple[Line, ...]
    table: Table
    note: str = ""

    @property
    def told(self) -> str:
        """The chart in words."""
        return " ".join(line.told for line in self.lines)


def curve_panels(curves: Sequence[Curve]) -> list[Panel]:
    """The charts of all groups of curves.

    Losses have a chart for each term, for their sizes differ. Other groups share one chart if it stays readable.
    """
    groups: dict[str, list[Curve]] = {}
    for curve in curves:
        if any(_known(value) for value in curve.values):
            groups.setdefault(curve.group, []).append(curve)
    return [panel for group, members in groups.items() for panel in _panels(group, members)[:PANELS]]


def _panels(group: str, curves: list[Curve]) -> list[Panel]:
    write = percent if group in SHARES else number
    names = list(dict.fromkeys(curve.name for curve in curves))
    runs = list(dict.fromkeys(curve.run for curve in curves))
    if len(curves) <= LINES and group != "loss" and (len(names) == 1 or len(runs) == 1):
        told = {_label(curve, names, runs): curve for curve in curves}
        if len(told) == len(curves):
            return [chart(_title(group, names), told, write, _limits(curves, group))]
    limits = None if group in ("loss", "accuracy") else _limits(curves, group)
    found = []
    for name in names:
        own = {curve.run: curve for curve in curves if curve.name == name}
        parts = [own] if len(own) <= LINES else [{run: curve} for run, curve in own.items()]
        for part in parts:
            title = _title(group, [name]) if len(parts) == 1 else f"{_title(group, [name])}, {next(iter(part))}"
            found.append(chart(title, part, write, limits or _limits(list(part.values()), group)))
    return found


def _label(curve: Curve, names: list[str], runs: list[str]) -> str:
    return curve.run if len(names) == 1 else curve.name


def _title(group: str, names: list[str]) -> str:
    if len(names) > 1 or names[0] == group:
        return group.capitalize()
    if group == "loss":
        return f"{_capital(names[0])} loss"
    return _capital(names[0]) if group in names[0] else f"{group.capitalize()}: {names[0]}"


def _capital(name: str) -> str:
    return name[:1].upper() + name[1:]


def _limits(curves: Sequence[Curve], group: str) -> tuple[float, float]:
    """Ends of the vertical axis. A rate is seen whole, an accuracy never closer than a fifth of the axis."""
    values = [float(value) for curve in curves for value in curve.values if value is not None and _known(value)]
    low, high = min(values), max(values)
    if group in ("mask rate", "threshold", "confidence", "share") and low >= 0 and high <= 1:
        return 0.0, 1.0
    if group == "loss" and low >= 0:
        return 0.0, 1.05 * high or 1.0
    least = 0.2 if group == "accuracy" else 1e-9 + 0.1 * abs(high)
    spread = max(high - low, least)
    low, high = (low + high - spread) / 2 - 0.05 * spread, (low + high + spread) / 2 + 0.05 * spread
    return (max(0.0, low), min(1.0, high)) if group in SHARES else (low, high)


def chart(
    title: str,
    curves: Mapping[str, Curve],
    write: Callable[[float | None], str],
    limits: tuple[float, float],
    bounds: Mapping[str, Sequence[tuple[float, float] | None]] = MappingProxyType({}),
) -> Panel:
    """One chart of a few curves.

    Args:
        title: above it.
        curves: by the name in the legend.
        write: how a value is written.
        limits: ends of the vertical axis.
        bounds: by name, the interval of each value, drawn where the points are few.
    """
    first = min((curve.steps[0] for curve in curves.values() if curve.steps), default=0)
    last = max((curve.steps[-1] for curve in curves.values() if curve.steps), default=1)
    start = 0 if first < 0.2 * last else first

    def across(step: float) -> float:
        return LEFT + (RIGHT - LEFT) * (step - start) / max(1, last - start)

    def up(value: float) -> float:
        place = (value - limits[0]) / ((limits[1] - limits[0]) or 1.0)
        return BOTTOM - (BOTTOM - TOP) * min(1.0, max(0.0, place))

    frame = Frame(
        tuple((round(across(step), 1), count(round(step))) for step in ticks(start, last, 4, whole=True)),
        tuple((round(up(value), 1), _axis_label(value, write)) for value in ticks(*limits, 5)),
    )
    styles = _styles(list(curves))
    lines = tuple(
        _with_errors(_line(name, styles[name], curve, across, up, write), curve, bounds.get(name), across, up)
        for name, curve in curves.items()
    )
    averaged = max(math.ceil(len(curve.steps) / POINTS) for curve in curves.values())
    note = f"Each point is the mean of {averaged} logged values." if averaged > 1 else ""
    return Panel(title, frame, lines, steps_table(curves, write), note)


def _axis_label(value: float, write: Callable[[float | None], str]) -> str:
    return round_percent(value) if write is percent else f"{value:g}"


def _styles(names: list[str]) -> dict[str, int]:
    """The first method has the first style and baselines come next, whatever their order."""
    methods = [name for name in names if name not in BASELINES]
    ordered = methods[:1] + [name for name in names if name in BASELINES] + methods[1:]
    return {name: place for place, name in enumerate(ordered)}


def _line(
    name: str,
    style: int,
    curve: Curve,
    across: Callable[[float], float],
    up: Callable[[float], float],
    write: Callable[[float | None], str],
) -> Line:
    segments: list[list[tuple[float, float]]] = [[]]
    for step, value in _averaged(curve):
        if value is None:
            segments.append([])
        else:
            segments[-1].append((round(across(step), 1), round(up(value), 1)))
    segments = [segment for segment in segments if segment]
    path = " ".join("M" + " ".join(f"{x:g},{y:g}" for x, y in segment) for segment in segments if len(segment) > 1)
    # A level line needs none.
    few = sum(map(len, segments)) <= DOTS and len({y for segment in segments for _, y in segment}) > 1
    dots = tuple(point for segment in segments for point in segment if few or len(segment) == 1)
    known = [(step, value) for step, value in zip(curve.steps, curve.values, strict=True) if _known(value)]
    (start, begun), (end, ended) = known[0], known[-1]
    told = f"{name}: {write(begun)} at step {count(start)}, {write(ended)} at step {count(end)}."
    return Line(name, style, path, dots, write(ended), told)


def _with_errors(
    line: Line,
    curve: Curve,
    bounds: Sequence[tuple[float, float] | None] | None,
    across: Callable[[float], float],
    up: Callable[[float], float],
) -> Line:
    if not line.dots or bounds is None:
        return line
    ends = [(step, pair) for step, pair in zip(curve.steps, bounds, strict=True) if pair is not None]
    errors = ((round(across(step), 1), round(up(low), 1), round(up(high), 1)) for step, (low, high) in ends)
    return replace(line, errors=tuple(errors))


def _averaged(curve: Curve) -> Iterable[tuple[float, float | None]]:
    """Points, so few that a chart can show them; a gap is ``None``."""
    size = math.ceil(len(curve.steps) / POINTS)
    for start in range(0, len(curve.steps), max(1, size)):
        values = [value for value in curve.values[start : start + size] if value is not None and _known(value)]
        steps = curve.steps[start : start + size]
        yield sum(steps) / len(steps), sum(values) / len(values) if values else None


def steps_table(curves: Mapping[str, Curve], write: Callable[[float | None], str]) -> Table:
    """The values at each step, or at some of the steps if they are many; the last is always there."""
    values = {name: dict(zip(curve.steps, curve.values, strict=True)) for name, curve in curves.items()}
    steps = sorted({step for column in values.values() for step in column})
    rows = tuple(
        (count(step), *(write(column[step]) if step in column else UNKNOWN for column in values.values()))
        for step in (steps[place] for place in some_of(len(steps)))
    )
    return Table(("step", *curves), rows, left_out(len(steps)))


def _known(value: float | None) -> bool:
    return value is not None and math.isfinite(value)

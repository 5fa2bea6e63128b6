"""The quality of pseudo-labels, where the truth is known: over steps, and class by class at the end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from textssl.report.classification_scores import wilson_interval
from textssl.report.html.formats import count, interval, percent
from textssl.report.html.line_chart import Panel, chart
from textssl.report.html.tables import Table, left_out, some_of
from textssl.report.parts import Curve, PseudoLabelQuality


__all__ = ["PseudoLabels", "pseudo_labels"]


RIGHT = "right among the kept"


@dataclass(frozen=True)
class PseudoLabels:
    """What the page shows of them.

    Attributes:
        panel: chart of the share that is kept and of its accuracy; none of a single step.
        table: the same figures.
        last: of the last step.
        told: the last step in words.
        classes: share of the right ones among the kept of each class that has any, at the last step.
    """

    panel: Panel | None
    table: Table
    last: PseudoLabelQuality
    told: str
    classes: Table


def pseudo_labels(quality: Sequence[PseudoLabelQuality], classes: Sequence[str]) -> PseudoLabels:
    """Chart and table of what was measured at some steps."""
    steps = tuple(one.step for one in quality)
    curves = {
        RIGHT: Curve("", "", "", steps, tuple(one.accuracy for one in quality)),
        "kept": Curve("", "", "", steps, tuple(one.kept_share for one in quality)),
    }
    curves = {name: curve for name, curve in curves.items() if any(value is not None for value in curve.values)}
    table, panel, last = _table(quality), None, quality[-1]
    if len(steps) > 1 and curves:
        bounds = {RIGHT: tuple(_bounds(one) for one in quality)}
        panel = replace(chart("Pseudo-labels", curves, percent, (0.0, 1.0), bounds), table=table)
    known = zip(classes, last.per_class, strict=False)
    rows = tuple((name, percent(share)) for name, share in known if share is not None)
    return PseudoLabels(panel, table, last, _told(last), Table(("class", "right"), rows))


def _told(one: PseudoLabelQuality) -> str:
    """One step in a sentence; the number of examples and the interval tell how much it says."""
    if one.kept_share is None:
        return ""
    kept, ends = _kept(one), _bounds(one)
    of = "the" if one.count is None else count(one.count)
    told = f"{percent(one.kept_share)} of {of} unlabeled examples" + ("" if kept is None else f" ({count(kept)})")
    told += " are kept" + (f" at step {count(one.step)}" if one.step else "")
    if one.accuracy is None or kept == 0:
        return f"{told}."
    told += f", and {percent(one.accuracy)} of those are right"
    return f"{told}." if ends is None else f"{told} (95 % interval: {interval(*ends, percent)})."


def _table(quality: Sequence[PseudoLabelQuality]) -> Table:
    """With an interval where the number of those that were kept is known."""
    header = ("step", "kept", "examples kept", "of them right", "95 % interval")
    return Table(header, tuple(_row(quality[place]) for place in some_of(len(quality))), left_out(len(quality)))


def _row(one: PseudoLabelQuality) -> tuple[str, ...]:
    ends = _bounds(one)
    told = "" if ends is None else interval(*ends, percent)
    return count(one.step), percent(one.kept_share), count(_kept(one)), percent(one.accuracy), told


def _kept(one: PseudoLabelQuality) -> int | None:
    return None if one.count is None or one.kept_share is None else round(one.kept_share * one.count)


def _bounds(one: PseudoLabelQuality) -> tuple[float, float] | None:
    """Interval of 95 % of the share of right ones among the kept."""
    kept = _kept(one)
    return wilson_interval(round(one.accuracy * kept), kept) if kept and one.accuracy is not None else None

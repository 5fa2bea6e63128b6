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


@dataclass(frozen=True)
class PseudoLabels:
    """What the page shows of them.

    Attributes:
        panel: chart of the share that is kept and of its accuracy; none of a single step.
        table: the same figures.
        last: of the last step.
    """

    panel: Panel | None
    table: Table
    last: PseudoLabelQuality


def pseudo_labels(quality: Sequence[PseudoLabelQuality]) -> PseudoLabels:
    """Chart and table of what was measured at some steps."""
    steps = tuple(one.step for one in quality)
    curves = {
        "right among the kept": Curve("", "", "", steps, tuple(one.accuracy for one in quality)),
        "kept": Curve("", "", "", steps, tuple(one.kept_share for one in quality)),
    }
    curves = {name: curve for name, curve in curves.items() if any(value is not None for value in curve.values)}
    table = _table(quality)
    panel = None
    if len(steps) > 1 and curves:
        panel = replace(chart("Pseudo-labels", curves, percent, (0.0, 1.0)), table=table)
    return PseudoLabels(panel, table, quality[-1])


def _table(quality: Sequence[PseudoLabelQuality]) -> Table:
    """With an interval where the number of those that were kept is known."""
    header = ("step", "kept", "examples kept", "of them right", "95 % interval")
    return Table(header, tuple(_row(quality[place]) for place in some_of(len(quality))), left_out(len(quality)))


def _row(one: PseudoLabelQuality) -> tuple[str, ...]:
    kept = None if one.count is None or one.kept_share is None else round(one.kept_share * one.count)
    ends = ""
    if kept and one.accuracy is not None:
        ends = interval(*wilson_interval(round(one.accuracy * kept), kept), percent)
    return count(one.step), percent(one.kept_share), count(kept), percent(one.accuracy), ends

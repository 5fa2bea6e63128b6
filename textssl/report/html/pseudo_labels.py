"""The quality of pseudo-labels, where the truth is known: over steps, and class by class at the end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from textssl.report.html.formats import percent
from textssl.report.html.line_chart import Panel, Table, chart
from textssl.report.html.score_charts import pseudo_label_table
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
    table = pseudo_label_table(quality)
    panel = None
    if len(steps) > 1 and curves:
        panel = replace(chart("Pseudo-labels", curves, percent, (0.0, 1.0)), table=table)
    return PseudoLabels(panel, table, quality[-1])

"""What a run looked like: plots as PNG, the comparison table, `results.json`, the report."""

from __future__ import annotations

from textssl.files import write_atomically
from textssl.report.confidence_plot import confidence_figure, plot_confidence
from textssl.report.contents import RunReport
from textssl.report.parts import (
    Bin,
    Candidate,
    ClassScore,
    ClassShares,
    Curve,
    Evaluation,
    Item,
    Mistake,
    PseudoLabelQuality,
    Uncertain,
    ViewExample,
)
from textssl.report.plots import (
    accuracy_figure,
    loss_figure,
    mask_rate_figure,
    plot_run,
    tsa_figure,
)
from textssl.report.table import Row, comparison_table, markdown_table, save_results


__all__ = [
    "Bin",
    "Candidate",
    "ClassScore",
    "ClassShares",
    "Curve",
    "Evaluation",
    "Item",
    "Mistake",
    "PseudoLabelQuality",
    "Row",
    "RunReport",
    "Uncertain",
    "ViewExample",
    "accuracy_figure",
    "comparison_table",
    "confidence_figure",
    "loss_figure",
    "markdown_table",
    "mask_rate_figure",
    "plot_confidence",
    "plot_run",
    "save_results",
    "tsa_figure",
    "write_atomically",
]

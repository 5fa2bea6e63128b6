"""A comparison as a plot: each seed a dot, each mean a line."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...files import write_atomically
from .grid import BASELINE
from .summary import MethodSummary


if TYPE_CHECKING:
    from matplotlib.figure import Figure


__all__ = ["comparison_figure", "save_figure"]

# Okabe and Ito's palette: told apart under each common colour blindness.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
GREY = "#555555"
HALF = 0.28


def comparison_figure(lines: Sequence[MethodSummary], measured: str) -> Figure | None:
    """Accuracies over methods; with several numbers of labels over these, a colour for each method.

    Returns:
        ``None`` where no accuracy was measured.
    """
    from matplotlib.figure import Figure

    shown = [line for line in lines if line.accuracies]
    if not shown:
        return None
    several = len({line.labels for line in lines}) > 1
    width = 7.0 if several else max(4.5, 1.5 + 1.1 * len(shown))
    figure = Figure(figsize=(width, 4.0), dpi=150, layout="constrained")
    axes = figure.subplots()
    (_over_labels if several else _over_methods)(axes, shown)
    axes.set_ylabel("accuracy in %")
    axes.set_title(measured, loc="left", fontsize=9)
    axes.grid(axis="y", color="0.88", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def save_figure(figure: Figure, path: Path) -> list[Path]:
    """Write the figure as PNG and as SVG.

    Args:
        figure: of a comparison.
        path: of both files, without their ends.
    """
    written = []
    for kind in ("png", "svg"):
        content = io.BytesIO()
        figure.savefig(content, format=kind, metadata={"Date": None} if kind == "svg" else None)
        written.append(write_atomically(path.with_suffix(f".{kind}"), content.getvalue()))
    return written


def _over_methods(axes: Any, lines: Sequence[MethodSummary]) -> None:
    for place, line in enumerate(lines):
        baseline = line.method == BASELINE
        _dots(axes, line, place, GREY if baseline else COLOURS[0])
        if baseline:
            axes.axhline(_mean(line), color=GREY, linestyle="--", linewidth=1.2, label=f"mean of {BASELINE}")
            axes.legend(loc="best", edgecolor="none", framealpha=0.9, fontsize=8)
    axes.set_xticks(range(len(lines)), [line.method for line in lines])
    if sum(len(line.method) for line in lines) > 50:
        axes.tick_params(axis="x", labelrotation=30)
    axes.set_xlim(-0.6, len(lines) - 0.4)


def _over_labels(axes: Any, lines: Sequence[MethodSummary]) -> None:
    numbers = sorted({line.labels or 0 for line in lines})
    methods = list(dict.fromkeys(line.method for line in lines))
    for index, method in enumerate(methods):
        own = [line for line in lines if line.method == method]
        shift = HALF * (index - (len(methods) - 1) / 2) / len(methods)
        colour = GREY if method == BASELINE else COLOURS[index % len(COLOURS)]
        places = [numbers.index(line.labels or 0) + shift for line in own]
        for place, line in zip(places, own, strict=True):
            _dots(axes, line, place, colour, half=0.0)
        style = "--" if method == BASELINE else "-"
        axes.plot(places, [_mean(line) for line in own], style, color=colour, linewidth=1.6, label=method)
    axes.set_xticks(range(len(numbers)), [str(number) for number in numbers])
    axes.set_xlabel("labeled examples")
    axes.legend(loc="best", edgecolor="none", framealpha=0.9, fontsize=8)


def _dots(axes: Any, line: MethodSummary, place: float, colour: str, half: float = HALF) -> None:
    values = [100 * value for value in line.accuracies.values()]
    # Side by side, so that equal accuracies are seen as several.
    spread = [place + half * ((rank + 1) / (len(values) + 1) - 0.5) for rank in range(len(values))]
    axes.plot(spread, values, "o", color=colour, markersize=5, alpha=0.75, markeredgewidth=0)
    if half:
        axes.plot([place - half, place + half], [_mean(line)] * 2, color=colour, linewidth=2.2)


def _mean(line: MethodSummary) -> float:
    return 100 * (line.accuracy.mean if line.accuracy else 0.0)

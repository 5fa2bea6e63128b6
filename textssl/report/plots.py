"""Plots of one run, drawn from `trainer.state.log_history` into PNG files.

A figure is built from what was logged and nothing else: a series that is missing is left out, and
a figure without a series is not drawn. No global state of matplotlib is touched.
"""

from __future__ import annotations

import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from textssl.files import write_atomically


if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


__all__ = [
    "BLUE",
    "VERMILLION",
    "accuracy_figure",
    "loss_figure",
    "mask_rate_figure",
    "new_figure",
    "plot_run",
    "save_figure",
    "tsa_figure",
]

History = Sequence[Mapping[str, Any]]

# Okabe and Ito's palette: told apart under each common colour blindness, and in grey
BLUE, VERMILLION = "#0072B2", "#D55E00"
DPI = 150


def plot_run(
    log_history: History,
    folder: str | os.PathLike[str],
    baseline_history: History | None = None,
) -> list[Path]:
    """Draw what a run logged: `accuracy.png`, `losses.png`, `mask_rate.png`, `tsa_threshold.png`.

    Args:
        log_history: `trainer.state.log_history`; each entry has `step` and some of `eval_accuracy`,
            `ssl/supervised`, `ssl/unsupervised`, `ssl/mask_rate`, `ssl/pseudo_label_confidence`,
            `ssl/tsa_threshold`.
        folder: where the files go; made if missing.
        baseline_history: the same of the supervised baseline, drawn beside the accuracy.

    Returns:
        The files written, in the order above; fewer where a series was not logged.
    """
    figures = {
        "accuracy.png": accuracy_figure(log_history, baseline_history),
        "losses.png": loss_figure(log_history),
        "mask_rate.png": mask_rate_figure(log_history),
        "tsa_threshold.png": tsa_figure(log_history),
    }
    return [save_figure(figure, Path(folder) / name) for name, figure in figures.items() if figure is not None]


def accuracy_figure(log_history: History, baseline_history: History | None = None) -> Figure | None:
    """Held-out accuracy over steps, with the supervised baseline's if there is one.

    Args:
        log_history: entries with `step` and `eval_accuracy`, in [0, 1].
        baseline_history: the same of the supervised baseline.

    Returns:
        The figure; None where neither history holds an accuracy.
    """
    run, baseline = _series(log_history, "accuracy"), _series(baseline_history, "accuracy")
    lines = [
        (baseline, "supervised baseline", VERMILLION, "--"),
        (run, "with unlabeled data", BLUE, "-"),
    ]
    return _single_axes("Accuracy on held-out data", "accuracy", lines, show_last=True)


def loss_figure(log_history: History) -> Figure | None:
    """The supervised and the unsupervised loss over steps, each on axes of its own scale.

    Args:
        log_history: entries with `step` and `ssl/supervised` or `ssl/unsupervised`.

    Returns:
        The figure, one or two axes above each other; None where neither was logged.
    """
    terms = [("supervised", BLUE), ("unsupervised", VERMILLION)]
    drawn = [(name, colour, series) for name, colour in terms if (series := _series(log_history, name)) is not None]
    if not drawn:
        return None
    figure = new_figure(height=1.1 + 2.2 * len(drawn))
    panels = figure.subplots(len(drawn), 1, sharex=True, squeeze=False)[:, 0]
    for axes, (name, colour, series) in zip(panels, drawn, strict=True):
        _draw(axes, series, f"{name} loss", colour, "-")
        axes.set_ylabel(f"{name} loss")
    panels[0].set_title("Loss terms in training", loc="left")
    panels[-1].set_xlabel("optimizer step")
    return figure


def mask_rate_figure(log_history: History) -> Figure | None:
    """The share of unlabeled examples that pass the threshold, over steps.

    Args:
        log_history: entries with `step` and `ssl/mask_rate`, the mean of the mask in [0, 1] (1:
            each unlabeled example takes part); `ssl/pseudo_label_confidence`, in [0, 1], is drawn
            too, and the `accuracy` of `pseudo_labels`, where the truth is known.

    Returns:
        The figure; None where neither was logged.
    """
    lines = [
        (_series(log_history, "mask_rate"), "kept by the mask", BLUE, "-"),
        (_series(log_history, "pseudo_label_confidence"), "mean confidence", VERMILLION, "--"),
    ]
    right = _right_share(log_history)
    if right is not None:
        lines.append((right, "right, of those kept", "black", ":"))
    label = "share of examples kept" if lines[1][0] is None else "share, or probability"
    if lines[0][0] is None:
        label = "probability"
    return _single_axes("Pseudo-labels of unlabeled data", label, lines, limits=(-0.02, 1.02))


def _right_share(log_history: History) -> np.ndarray | None:
    known = [(row["step"], row["pseudo_labels"].get("accuracy")) for row in log_history if "pseudo_labels" in row]
    points = np.array([point for point in known if point[1] is not None], dtype=np.float64)
    return points if len(points) else None


def tsa_figure(log_history: History) -> Figure | None:
    """The threshold of training signal annealing over steps (Xie et al., 2020, arXiv:1904.12848).

    Args:
        log_history: entries with `step` and `ssl/tsa_threshold`, in [1/C, 1].

    Returns:
        The figure; None where it was not logged.
    """
    lines = [(_series(log_history, "tsa_threshold"), "TSA threshold", BLUE, "-")]
    title = "Training signal annealing: labeled examples above it are left out"
    return _single_axes(title, "probability of the correct label", lines, limits=(-0.02, 1.02))


def _series(history: History | None, name: str) -> np.ndarray | None:
    """Pairs `[n, 2]` of step and value; what is not finite is NaN, a gap. None if nothing is."""
    key = "eval_accuracy" if name == "accuracy" else f"ssl/{name}"
    points = [
        (entry["step"], entry[key])
        for entry in history or []
        if entry.get("step") is not None and entry.get(key) is not None
    ]
    series = np.array(points, dtype=np.float64).reshape(-1, 2)
    finite = np.isfinite(series[:, 1])
    series[~finite, 1] = np.nan
    return series if finite.any() else None


def _single_axes(
    title: str,
    label: str,
    lines: Sequence[tuple[np.ndarray | None, str, str, str]],
    limits: tuple[float, float] | None = None,
    show_last: bool = False,
) -> Figure | None:
    if all(series is None for series, *_ in lines):
        return None
    figure = new_figure(height=3.6)
    axes = figure.subplots()
    for series, name, colour, style in lines:
        if series is None:
            continue
        last = series[np.isfinite(series[:, 1])][-1, 1]
        _draw(axes, series, f"{name} (last {last:.3f})" if show_last else name, colour, style)
    if limits is not None:
        axes.set_ylim(*limits)
    if len(axes.lines) > 1 or show_last:
        axes.legend(loc="best", edgecolor="none", framealpha=0.9)
    axes.set_title(title, loc="left")
    axes.set_xlabel("optimizer step")
    axes.set_ylabel(label)
    return figure


def _draw(axes: Axes, series: np.ndarray, name: str, colour: str, style: str) -> None:
    steps, values = series[:, 0], series[:, 1]
    # a point between two gaps would be invisible without a marker
    marker = "o" if len(series) <= 25 or np.isnan(values).any() else None
    axes.plot(steps, values, style, label=name, color=colour, linewidth=1.8, marker=marker, markersize=4)


def new_figure(height: float) -> Figure:
    """A figure without axes, which no global state of matplotlib knows."""
    from matplotlib.figure import Figure

    return Figure(figsize=(7.0, height), dpi=DPI, layout="constrained")


def save_figure(figure: Figure, path: Path) -> Path:
    """Write a figure as PNG, in one step."""
    for axes in figure.axes:
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", color="0.88", linewidth=0.8)
        axes.set_axisbelow(True)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return write_atomically(path, buffer.getvalue())

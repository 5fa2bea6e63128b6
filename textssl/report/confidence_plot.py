"""The confidence of predictions for unlabeled examples, and the classes that are predicted, drawn into a PNG file."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from textssl.errors import UserError
from textssl.report.plots import BLUE, VERMILLION, new_figure, save_figure


if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


__all__ = ["confidence_figure", "plot_confidence"]

BINS = 40
# Classes that have bars, and characters of a name below them.
CLASSES, LONGEST = 12, 18


def plot_confidence(
    confidences: np.ndarray,
    folder: str | os.PathLike[str],
    threshold: float | None = None,
    correct: np.ndarray | None = None,
    shares: Mapping[str, np.ndarray] | None = None,
    label_names: Sequence[str] = (),
) -> Path:
    """Write `confidence.png`: see `confidence_figure`, whose arguments and errors it shares."""
    figure = confidence_figure(confidences, threshold, correct, shares, label_names)
    return save_figure(figure, Path(folder) / "confidence.png")


def confidence_figure(
    confidences: np.ndarray,
    threshold: float | None = None,
    correct: np.ndarray | None = None,
    shares: Mapping[str, np.ndarray] | None = None,
    label_names: Sequence[str] = (),
) -> Figure:
    """Histogram of the largest class probability of each unlabeled example, and bars of the classes' shares.

    Args:
        confidences: `[N]`, in [0, 1].
        threshold: confidence from which a pseudo-label is used: a line, with the share kept.
        correct: `[N]` booleans, whether the predicted class is the true one, where that is known:
            right and wrong predictions are stacked.
        shares: by name, such as `"labels"` and `"predictions"`, the share of each class `[C]`: bars beside the
            histogram.
        label_names: of the C classes.

    Returns:
        The figure.

    Raises:
        UserError: not a rank of 1, no example, a value outside [0, 1] (NaN too), or `correct` of
            another shape.
    """
    confidences, correct = _checked_confidences(confidences, threshold, correct)
    figure = new_figure(height=3.6 if shares is None else 6.4)
    axes, *others = figure.subplots(1 if shares is None else 2, squeeze=False)[:, 0]
    lowest = min(math.floor(10 * confidences.min()) / 10, 0.9)
    edges = np.linspace(lowest, 1.0, BINS + 1)
    if correct is None:
        axes.hist(confidences, bins=edges.tolist(), color=BLUE, label="unlabeled examples")
    else:
        parts = [confidences[correct], confidences[~correct]]
        labels = [f"right ({len(parts[0]):,})", f"wrong ({len(parts[1]):,})"]
        axes.hist(parts, bins=edges.tolist(), stacked=True, color=[BLUE, VERMILLION], label=labels)
    if threshold is not None:
        label = _threshold_label(confidences, threshold, correct)
        axes.axvline(threshold, color="black", linestyle="--", linewidth=1.4, label=label)
    if threshold is not None or correct is not None:
        axes.legend(loc="best", edgecolor="none", framealpha=0.9)
    axes.set_xlim(lowest, 1.0)
    axes.set_xlabel("largest class probability")
    axes.set_ylabel("unlabeled examples")
    title = f"Confidence on {len(confidences):,} unlabeled examples"
    axes.set_title(f"{title}: how sure the model is, not how often it is right", loc="left", fontsize="medium")
    if shares is not None:
        _draw_shares(others[0], shares, label_names)
    return figure


def _draw_shares(axes: Axes, shares: Mapping[str, np.ndarray], label_names: Sequence[str]) -> None:
    """Bars of the classes that are the most frequent, side by side for each name."""
    most = np.max([*shares.values()], axis=0)
    shown = np.sort(np.argsort(-most, kind="stable")[:CLASSES])
    width = 0.8 / len(shares)
    for number, ((name, values), colour) in enumerate(zip(shares.items(), (VERMILLION, BLUE), strict=False)):
        axes.bar(np.arange(len(shown)) + (number - (len(shares) - 1) / 2) * width, np.asarray(values)[shown], width,
                 color=colour, label=name)  # fmt: skip
    names = [
        label_names[c] if len(label_names[c]) <= LONGEST else f"{label_names[c][: LONGEST - 1]}..." for c in shown
    ]
    axes.set_xticks(
        np.arange(len(shown)), names, rotation=30 if len(shown) > 4 else 0, ha="right" if len(shown) > 4 else "center"
    )
    axes.set_ylabel("share")
    axes.legend(loc="best", edgecolor="none", framealpha=0.9)
    axes.set_title(
        "Classes of the labels and of the predictions for unlabeled examples", loc="left", fontsize="medium"
    )


def _checked_confidences(
    confidences: np.ndarray, threshold: float | None, correct: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray | None]:
    confidences = np.asarray(confidences, dtype=np.float64)
    if confidences.ndim != 1 or not len(confidences):
        raise UserError(f"confidences: got shape {confidences.shape}; expected [N] with N > 0")
    # a sum of float32 or bfloat16 probabilities may pass 1 by a rounding error
    if not ((confidences >= 0) & (confidences <= 1 + 1e-2)).all():
        raise UserError(f"confidences: got {confidences.min()} to {confidences.max()}; expected numbers in [0, 1]")
    if threshold is not None and not 0 <= threshold <= 1:
        raise UserError(f"threshold: got {threshold}; expected a number in [0, 1]")
    if correct is not None:
        correct = np.asarray(correct, dtype=bool)
        if correct.shape != confidences.shape:
            raise UserError(f"correct: got shape {correct.shape}; expected shape {confidences.shape}")
    return confidences.clip(max=1.0), correct


def _threshold_label(confidences: np.ndarray, threshold: float, correct: np.ndarray | None) -> str:
    kept = confidences >= threshold
    label = f"threshold {threshold:g}: {kept.mean():.0%} kept"
    if correct is not None and kept.any():
        label += f", {correct[kept].mean():.1%} of them right"
    return label

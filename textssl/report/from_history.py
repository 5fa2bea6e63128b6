"""Parts of a report that are made of what a training logged: curves, shares of classes, quality of pseudo-labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from textssl.report.parts import ClassShares, Curve, PseudoLabelQuality


__all__ = ["curves_of", "pseudo_label_quality_of", "share_warnings", "shares_of"]

History = Sequence[Mapping[str, Any]]

# Logged terms by the chart that they are drawn in; what is in none of these is a loss.
GROUPS = {
    "mask_rate": ("mask rate", "kept by the mask"),
    "tsa_kept": ("mask rate", "labeled kept by TSA"),
    "tsa_threshold": ("threshold", "TSA threshold"),
    "confidence": ("confidence", "mean confidence of pseudo-labels"),
    "certainty": ("confidence", "mean weight of pseudo-labels"),
    "agreement": ("confidence", "agreement of the two networks"),
    "weight": ("weight", "weight of the unlabeled term"),
    "seen": ("mask rate", "labeled at an earlier visit"),
}
# Classes that get a curve of their own.
CURVES = 12
# A class with this share of the predictions, and less than half as much of the labels, has swallowed the others.
SWALLOWED = 0.9
FAR = 0.15
SHOWN = 5


def curves_of(history: History, run: str, label_names: Sequence[str], threshold: float | None = None) -> list[Curve]:
    """Curves of what one training logged.

    Args:
        history: entries with ``step`` and ``ssl/<term>``, ``eval_accuracy``, ``class_thresholds``.
        run: the method.
        label_names: of the classes.
        threshold: of the confidence, where it is one number from the first step to the last.
    """
    terms = dict.fromkeys(key for entry in history for key in entry if key.startswith("ssl/"))
    curves = []
    for key in terms:
        name = key.removeprefix("ssl/")
        group, shown = GROUPS.get(name, ("loss", name.replace("_", " ")))
        curves.append(_curve(history, key, shown, group, run))
    if any("eval_accuracy" in entry for entry in history):
        curves.append(_curve(history, "eval_accuracy", "accuracy on validation examples", "accuracy", run))
    known = [
        (entry["step"], entry["unlabeled_predictions"].get("accuracy"))
        for entry in history
        if "unlabeled_predictions" in entry
    ]
    if any(value is not None for _, value in known):
        curves.append(_of_points(known, "accuracy on a sample of the unlabeled examples", "accuracy", run))
    return curves + _thresholds(history, run, label_names, threshold)


def _thresholds(history: History, run: str, label_names: Sequence[str], threshold: float | None) -> list[Curve]:
    rows = [(entry["step"], entry["class_thresholds"]) for entry in history if "class_thresholds" in entry]
    if rows:
        return [
            _of_points([(step, row[number]) for step, row in rows], f"threshold of {name}", "threshold", run)
            for number, name in enumerate(label_names[:CURVES])
        ]
    steps = [entry["step"] for entry in history if "ssl/mask_rate" in entry]
    if threshold is None or not steps:
        return []
    return [_of_points([(step, threshold) for step in (steps[0], steps[-1])][: len({*steps})], "threshold",
                       "threshold", run)]  # fmt: skip


def shares_of(history: History, label_names: Sequence[str]) -> list[ClassShares]:
    """Shares of the classes among predictions and pseudo-labels, over steps.

    Args:
        history: entries with ``step`` and ``unlabeled_predictions`` or ``pseudo_labels``.
        label_names: of the C classes.
    """
    found = []
    for key, name in (("unlabeled_predictions", "predictions"), ("pseudo_labels", "pseudo-labels")):
        rows = [(entry["step"], entry[key]["shares"]) for entry in history if key in entry]
        if any(shares is not None for _, shares in rows):
            none = (None,) * len(label_names)
            shares = tuple(none if row is None else tuple(row) for _, row in rows)
            found.append(ClassShares(name, shares, tuple(step for step, _ in rows)))
    return found


def pseudo_label_quality_of(history: History) -> tuple[PseudoLabelQuality, ...]:
    """How many pseudo-labels were used, and how many of those were right where the truth is known.

    Args:
        history: entries with ``step`` and ``pseudo_labels``.
    """
    rows = [(entry["step"], entry["pseudo_labels"]) for entry in history if "pseudo_labels" in entry]
    return tuple(
        PseudoLabelQuality(
            step=step,
            kept_share=row["kept_share"],
            accuracy=row.get("accuracy"),
            per_class=tuple(row.get("per_class", ())),
            count=row["count"],
        )
        for step, row in rows
    )


def share_warnings(labeled: np.ndarray, predicted: np.ndarray, label_names: Sequence[str]) -> list[str]:
    """What is odd about the classes that are predicted for the unlabeled examples.

    Args:
        labeled: shares of the labels ``[C]``.
        predicted: shares of the predictions ``[C]``.
        label_names: of the C classes.
    """
    largest = int(predicted.argmax())
    if predicted[largest] > SWALLOWED and labeled[largest] < predicted[largest] / 2:
        return [
            f"collapse: {predicted[largest]:.0%} of the unlabeled examples are predicted to be "
            f"{label_names[largest]!r}, which {labeled[largest]:.0%} of the labels are"
        ]
    found = []
    absent = [label_names[number] for number in np.flatnonzero((predicted == 0) & (labeled > 0)).tolist()]
    if absent:
        more = f" and {len(absent) - SHOWN} more" if len(absent) > SHOWN else ""
        found.append(f"no unlabeled example is predicted to be {', '.join(absent[:SHOWN])}{more}")
    if np.abs(predicted - labeled).sum() / 2 > FAR:
        order = np.argsort(-np.abs(predicted - labeled), kind="stable")[:SHOWN].tolist()
        listed = [f"{label_names[c]} {predicted[c]:.0%} (labels: {labeled[c]:.0%})" for c in order]
        found.append(f"classes are predicted in other shares than the labels have: {', '.join(listed)}")
    return found


def _curve(history: History, key: str, name: str, group: str, run: str) -> Curve:
    return _of_points([(entry["step"], entry[key]) for entry in history if key in entry], name, group, run)


def _of_points(points: Sequence[tuple[int, float | None]], name: str, group: str, run: str) -> Curve:
    # One point a step, the last that was logged.
    last = dict(points)
    steps = tuple(sorted(last))
    return Curve(name, group, run, steps, tuple(last[step] for step in steps))

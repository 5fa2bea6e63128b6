"""What a person should know before the chosen classifier is used."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .data import FitData


__all__ = ["label_warnings", "prediction_warnings"]

FEW_LABELS = 5
# Shares of the classes among fewer examples say nothing.
FEWEST_UNLABELED = 20
SHOWN = 5
# A class with this share of the predictions, and less than half as much of the labels, has swallowed the others.
SWALLOWED = 0.9
# Least distance of two distributions of classes that is told: half the sum of the differences of shares.
FAR = 0.15


def label_warnings(data: FitData) -> list[str]:
    """Warnings that can be given before any training."""
    counts = np.bincount(data.labels, minlength=data.num_labels)
    found = []
    absent = [name for name, count in zip(data.label_names, counts, strict=True) if not count]
    if absent:
        found.append(f"{_classes(absent)} no label: it is recognised by its name and description only")
    single = [name for name, count in zip(data.label_names, counts, strict=True) if count == 1]
    if len(single) == data.num_labels:
        found.append(
            "no class has two labels, so no label can be held out: candidates cannot be compared, and the accuracy is "
            "not known. Two labels a class make folds possible"
        )
    elif single:
        found.append(
            f"{_classes(single)} one label: it is always trained on and never held out, so its accuracy cannot be "
            "estimated"
        )
    few = [f"{name} ({n})" for name, n in zip(data.label_names, counts, strict=True) if 1 < n < FEW_LABELS]
    if few:
        found.append(f"{_classes(few)} fewer than {FEW_LABELS} labels: scores of few held-out examples are rough")
    unlabeled = len(data.unlabeled)
    if not unlabeled:
        found.append("there are no unlabeled examples, so only candidates that learn from labels alone were tried")
    elif unlabeled < len(data.labels):
        found.append(
            f"there are fewer unlabeled examples ({unlabeled:,}) than labeled ones ({len(data.labels):,}): "
            "semi-supervised learning has little to gain from them"
        )
    return found


def prediction_warnings(data: FitData, probs: np.ndarray) -> list[str]:
    """Warnings about the predictions for the unlabeled examples.

    Args:
        data: of the choice.
        probs: calibrated probabilities ``[M, C]`` of the chosen classifier.
    """
    if len(probs) < FEWEST_UNLABELED or not len(data.labels):
        return []
    labeled = np.bincount(data.labels, minlength=data.num_labels) / len(data.labels)
    predicted = np.bincount(probs.argmax(1), minlength=data.num_labels) / len(probs)
    largest = int(predicted.argmax())
    name = data.label_names[largest]
    if predicted[largest] > SWALLOWED and labeled[largest] < predicted[largest] / 2:
        return [
            f"collapse: {predicted[largest]:.0%} of the unlabeled examples are predicted to be {name!r}, which "
            f"{labeled[largest]:.0%} of the labels are"
        ]
    found = []
    absent = [data.label_names[c] for c in np.flatnonzero((predicted == 0) & (labeled > 0))]
    if absent:
        found.append(f"no unlabeled example is predicted to be {_listed(absent)}")
    if np.abs(predicted - labeled).sum() / 2 > FAR:
        order = np.argsort(-np.abs(predicted - labeled))[:SHOWN]
        listed = [f"{data.label_names[c]} {predicted[c]:.0%} (labels: {labeled[c]:.0%})" for c in order]
        found.append(f"classes are predicted in other shares than the labels have: {', '.join(listed)}")
    return found


def _classes(names: Sequence[str]) -> str:
    return f"{_listed(names)} {'has' if len(names) == 1 else 'have'}"


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{', '.join(names[:SHOWN])}{more}"

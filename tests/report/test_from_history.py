"""Curves and shares of what a training logged."""

from __future__ import annotations

import numpy as np

from textssl.report.from_history import curves_of, pseudo_label_quality_of, share_warnings, shares_of


NAMES = ("a", "b")
HISTORY = [
    {"step": 5, "loss": 1.0, "ssl/loss": 1.0, "ssl/mask_rate": 0.0},
    {"step": 5, "pseudo_labels": {"shares": None, "kept_share": 0.0, "count": 8}},
    {"step": 10, "loss": 0.5, "ssl/loss": 0.5, "ssl/mask_rate": 0.5},
    {
        "step": 10,
        "pseudo_labels": {
            "shares": [0.25, 0.75], "kept_share": 0.5, "count": 8, "accuracy": 0.75, "per_class": [None, 0.75],
        },
    },
    {"step": 10, "eval_accuracy": 0.6},
    {"step": 10, "unlabeled_predictions": {"shares": [0.1, 0.9], "count": 10, "accuracy": 0.4}},
    {"step": 10, "class_thresholds": [0.9, 0.5]},
    {"step": 10, "test_accuracy": 0.7, "train_runtime": 3.0},
]  # fmt: skip


def test_curves_have_their_groups() -> None:
    curves = {curve.name: curve for curve in curves_of(HISTORY, "fixmatch", NAMES, 0.95)}
    assert (curves["loss"].group, curves["loss"].steps, curves["loss"].values) == ("loss", (5, 10), (1.0, 0.5))
    assert (curves["kept by the mask"].group, curves["kept by the mask"].values) == ("mask rate", (0.0, 0.5))
    assert curves["accuracy on validation examples"].values == (0.6,)
    assert curves["accuracy on a sample of the unlabeled examples"].values == (0.4,)
    # Thresholds of the classes take the place of one for all.
    assert {name for name, curve in curves.items() if curve.group == "threshold"} == {
        "threshold of a",
        "threshold of b",
    }
    assert all(curve.run == "fixmatch" for curve in curves.values())


def test_one_threshold_is_a_line() -> None:
    history = [row for row in HISTORY if "class_thresholds" not in row]
    (line,) = (curve for curve in curves_of(history, "fixmatch", NAMES, 0.95) if curve.group == "threshold")
    assert (line.steps, line.values) == ((5, 10), (0.95, 0.95))
    assert not [
        curve for curve in curves_of([{"step": 1, "ssl/loss": 2.0}], "vat", NAMES, 0.9) if curve.group != "loss"
    ]


def test_shares_and_quality_over_steps() -> None:
    predictions, pseudo_labels = shares_of(HISTORY, NAMES)
    assert (predictions.steps, predictions.shares) == ((10,), ((0.1, 0.9),))
    assert (pseudo_labels.steps, pseudo_labels.shares) == ((5, 10), ((None, None), (0.25, 0.75)))
    first, last = pseudo_label_quality_of(HISTORY)
    assert (first.kept_share, first.accuracy) == (0.0, None)
    assert (last.accuracy, last.per_class, last.count) == (0.75, (None, 0.75), 8)
    assert shares_of([], NAMES) == []


def test_a_class_that_swallows_the_others_is_warned_of() -> None:
    even = np.array([0.5, 0.5])
    assert share_warnings(even, np.array([0.45, 0.55]), NAMES) == []
    skewed = share_warnings(even, np.array([0.8, 0.2]), NAMES)
    assert skewed == [
        "classes are predicted in other shares than the labels have: a 80% (labels: 50%), b 20% (labels: 50%)"
    ]
    labels = np.array([0.4, 0.6])
    assert share_warnings(labels, np.array([0.95, 0.05]), NAMES)[0].startswith("collapse: 95% of the unlabeled")
    assert share_warnings(labels, np.array([1.0, 0.0]), NAMES)[0].startswith("collapse: 100%")
    assert share_warnings(np.array([0.05, 0.95]), np.array([0.0, 1.0]), NAMES) == [
        "no unlabeled example is predicted to be a"
    ]

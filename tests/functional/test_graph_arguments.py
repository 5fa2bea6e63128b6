"""What label propagation refuses, by name."""

from __future__ import annotations

import math

import pytest
import torch

from textssl.functional import certainty, class_balance_weights, nearest_neighbors, propagate_labels


FEATURES, LABELS = torch.randn(6, 4, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 1, -1, -1, -1, 2])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"features": FEATURES[0]}, r"features: got .*; expected a floating-point tensor of shape \[N, D\]"),
        ({"features": FEATURES[:1], "labels": LABELS[:1]}, "no labeled example of class 1"),
        ({"labels": LABELS[:5]}, r"labels: got .*; expected an integer tensor of shape \[6\]"),
        ({"labels": LABELS.float()}, r"labels: got .*; expected an integer tensor"),
        ({"labels": torch.tensor([0, 1, -1, -1, -1, -1])}, "no labeled example of class 2; each of 3 classes"),
        ({"labels": torch.tensor([0, 1, 2, 3, -1, -1])}, r"labels: got .*; expected classes in \[0, 3\), or -1"),
        ({"labels": torch.tensor([0, 1, 2, -100, -1, -1])}, r"labels: got .*; expected classes in \[0, 3\), or -1"),
        ({"num_labels": 1, "labels": torch.zeros(6).long()}, r"num_labels: got 1; expected at least 2"),
        ({"k": 0}, r"k: got 0; expected at least 1"),
        ({"gamma": 0.0}, r"gamma: got .*; expected a positive finite number"),
        ({"alpha": 1.0}, r"alpha: got 1.0; expected a number in \[0, 1\)"),
        ({"features": FEATURES * math.nan}, r"features: got .*; expected finite numbers"),
        ({"features": FEATURES / 0}, r"features: got .*; expected finite numbers"),
        (
            {"neighbors": (torch.ones(6, 2), torch.zeros(6, 3).long())},
            r"neighbors\[1\]: got .*; expected an integer tensor",
        ),
        (
            {"neighbors": (torch.ones(5, 2), torch.zeros(5, 2).long())},
            r"neighbors\[0\]: got .*; expected a floating-point",
        ),
        ({"neighbors": (torch.ones(6, 2), torch.full((6, 2), 6))}, "got 6; expected less than 6, the number of rows"),
        (
            {"neighbors": (torch.full((6, 2), math.nan), torch.zeros(6, 2).long())},
            r"similarities: got .*; expected finite numbers",
        ),
    ],
)
def test_bad_arguments_are_named(change: dict, message: str) -> None:
    arguments = {"features": FEATURES, "labels": LABELS, "num_labels": 3, **change}
    with pytest.raises(ValueError, match=message):
        propagate_labels(**arguments)


def test_bad_arguments_of_the_parts_are_named() -> None:
    with pytest.raises(ValueError, match=r"k: got 6; expected a number in \[1, 5\]"):
        nearest_neighbors(FEATURES, 6)
    with pytest.raises(ValueError, match="at least 2 rows"):
        nearest_neighbors(FEATURES[:1], 1)
    with pytest.raises(ValueError, match="at least 2 classes"):
        certainty(torch.ones(3, 1))
    with pytest.raises(ValueError, match=r"num_labels: got 0; expected at least 1"):
        class_balance_weights(LABELS, 0)

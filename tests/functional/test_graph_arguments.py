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
        ({"features": FEATURES[0]}, r"features must be a floating-point tensor of shape \[N, D\]"),
        ({"features": FEATURES[:1], "labels": LABELS[:1]}, "no labeled example of class 1"),
        ({"labels": LABELS[:5]}, r"labels must be a integer tensor of shape \[6\]"),
        ({"labels": LABELS.float()}, "labels must be a integer tensor"),
        ({"labels": torch.tensor([0, 1, -1, -1, -1, -1])}, "no labeled example of class 2; each of 3 classes"),
        ({"labels": torch.tensor([0, 1, 2, 3, -1, -1])}, r"labels must be in \[0, 3\), or -1"),
        ({"labels": torch.tensor([0, 1, 2, -100, -1, -1])}, r"labels must be in \[0, 3\), or -1"),
        ({"num_labels": 1, "labels": torch.zeros(6).long()}, "num_labels must be at least 2, got 1"),
        ({"k": 0}, "k must be at least 1, got 0"),
        ({"gamma": 0.0}, "gamma must be a positive finite number"),
        ({"alpha": 1.0}, r"alpha must be in \[0, 1\), got 1.0"),
        ({"features": FEATURES * math.nan}, "features must be finite"),
        ({"features": FEATURES / 0}, "features must be finite"),
        ({"neighbors": (torch.ones(6, 2), torch.zeros(6, 3).long())}, r"neighbors\[1\] must be a integer tensor"),
        ({"neighbors": (torch.ones(5, 2), torch.zeros(5, 2).long())}, r"neighbors\[0\] must be a floating-point"),
        ({"neighbors": (torch.ones(6, 2), torch.full((6, 2), 6))}, "must be below 6, the number of examples, got 6"),
        ({"neighbors": (torch.full((6, 2), math.nan), torch.zeros(6, 2).long())}, "similarities must be finite"),
    ],
)
def test_bad_arguments_are_named(change: dict, message: str) -> None:
    arguments = {"features": FEATURES, "labels": LABELS, "num_labels": 3, **change}
    with pytest.raises(ValueError, match=message):
        propagate_labels(**arguments)


def test_bad_arguments_of_the_parts_are_named() -> None:
    with pytest.raises(ValueError, match=r"k must be in \[1, 5\], got 6"):
        nearest_neighbors(FEATURES, 6)
    with pytest.raises(ValueError, match="at least 2 rows"):
        nearest_neighbors(FEATURES[:1], 1)
    with pytest.raises(ValueError, match="at least 2 classes"):
        certainty(torch.ones(3, 1))
    with pytest.raises(ValueError, match="num_labels must be at least 1, got 0"):
        class_balance_weights(LABELS, 0)

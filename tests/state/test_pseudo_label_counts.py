"""Counts of pseudo-labels against a loop over rows."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from textssl.state import PseudoLabelCounts
from textssl.state.pseudo_label_counts import KEPT


@pytest.mark.parametrize("micro_batches", [1, KEPT + 3])
def test_counts_are_those_of_a_loop(micro_batches: int) -> None:
    rng = torch.Generator().manual_seed(0)
    truth = torch.tensor([0, 1, -1, 2, -1, 0])
    counts = PseudoLabelCounts(3, truth)
    expected = [[0.0] * 3 for _ in range(4)]
    for _ in range(micro_batches):
        labels = torch.randint(0, 3, (5,), generator=rng)
        weights = torch.randint(0, 3, (5,), generator=rng) / 2
        index = torch.randint(0, 6, (5,), generator=rng)
        counts.add(labels, weights, index)
        for label, weight, row in zip(labels.tolist(), weights.tolist(), index.tolist(), strict=True):
            expected[0][label] += 1
            expected[1][label] += weight
            if truth[row] >= 0:
                expected[2][label] += weight
                expected[3][label] += weight * (int(truth[row]) == label)
    assert counts.take(torch.device("cpu")).tolist() == expected
    assert not counts.take(torch.device("cpu")).any()


def test_without_weights_all_count_and_without_truth_none_is_known() -> None:
    counts = PseudoLabelCounts(2)
    counts.add(torch.tensor([1, 1, 0]), None, torch.tensor([4, 9, 2]))
    assert counts.take(torch.device("cpu")).tolist() == [[1, 2], [1, 2], [0, 0], [0, 0]]


def test_counting_never_waits_for_the_device() -> None:
    """Reading a number off a tensor is what waits on a GPU; it is left to the reader of the counts."""
    from torch.utils._python_dispatch import TorchDispatchMode

    class NoReading(TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            assert "_local_scalar_dense" not in str(func)
            assert "nonzero" not in str(func)
            return func(*args, **(kwargs or {}))

    counts = PseudoLabelCounts(3, torch.tensor([0, 1, -1, 2]))
    with NoReading():
        for _ in range(KEPT + 1):
            counts.add(torch.tensor([1, 2]), torch.tensor([0.0, 1.0]), torch.tensor([3, 0]))
    assert counts.take(torch.device("cpu"))[0].tolist() == [0, KEPT + 1, KEPT + 1]

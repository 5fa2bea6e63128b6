"""Alignment by hand, and when the mean behind it moves."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from textssl.state import DistributionAlignment


def test_predictions_are_divided_by_the_mean_before_the_step() -> None:
    aligned = DistributionAlignment((0.5, 0.5), decay=0.9)
    first = torch.tensor([[0.9, 0.1], [0.7, 0.3]])
    # Nothing is known yet: the mean is the prior.
    torch.testing.assert_close(aligned.align(first), first)
    torch.testing.assert_close(aligned.value, torch.tensor([0.5, 0.5]))
    aligned.end_step()
    torch.testing.assert_close(aligned.value, torch.tensor([0.8, 0.2]))
    # .6 / .8 to .4 / .2 is 3 to 8.
    torch.testing.assert_close(aligned.align(torch.tensor([[0.6, 0.4]])), torch.tensor([[3 / 11, 8 / 11]]))


@pytest.mark.parametrize("kind", [{"decay": 0.99}, {"window": 4}])
def test_the_first_step_leaves_predictions_as_they_are_whatever_the_prior(kind: dict[str, Any]) -> None:
    aligned = DistributionAlignment((0.7, 0.2, 0.1), **kind)
    probs = torch.tensor([[0.4, 0.3, 0.3], [0.9, 0.05, 0.05]])
    for micro_batch in probs.split(1):
        torch.testing.assert_close(aligned.align(micro_batch), micro_batch)
    aligned.end_step()
    assert not torch.allclose(aligned.align(probs), probs, atol=1e-3)


def test_micro_batches_of_a_step_count_alike_and_a_step_without_any_changes_nothing() -> None:
    aligned = DistributionAlignment((0.25, 0.75), decay=0.0)
    aligned.align(torch.tensor([[1.0, 0.0]]))
    aligned.align(torch.tensor([[0.5, 0.5]]))
    aligned.end_step()
    torch.testing.assert_close(aligned.value, torch.tensor([0.75, 0.25]))
    before = {name: value.clone() for name, value in aligned.state_dict().items()}
    aligned.end_step()
    assert all(torch.equal(before[name], value) for name, value in aligned.state_dict().items())
    assert "prior" not in before

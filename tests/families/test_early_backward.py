"""A loss without its graph gives the gradients that it would have given with it."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from textssl.families.early_backward import backward_now


def network() -> nn.Linear:
    torch.manual_seed(0)
    return nn.Linear(3, 2)


@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_gradients_and_value_are_those_of_the_loss(scale: float) -> None:
    x, plain, early = torch.randn(4, 3), network(), network()
    (scale * plain(x).square().mean()).backward()
    loss = backward_now(early(x).square().mean(), early.parameters())
    assert loss.item() == plain(x).square().mean().item()
    assert all(p.grad is None for p in early.parameters())
    (scale * loss).backward()
    for mine, theirs in zip(early.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, theirs.grad)


def test_gradients_of_several_losses_add_up() -> None:
    x, one = torch.randn(4, 3), network()
    parts = [backward_now(one(row[None]).square().mean(), one.parameters()) for row in x]
    (sum(parts) / 4).backward()
    other = network()
    other(x).square().mean().backward()
    torch.testing.assert_close(one.weight.grad, other.weight.grad)


def test_frozen_and_unused_parameters_get_none() -> None:
    one, unused = network(), network()
    one.bias.requires_grad_(False)
    backward_now(one(torch.ones(1, 3)).sum(), [*one.parameters(), *unused.parameters()]).backward()
    assert one.weight.grad is not None
    assert one.bias.grad is None
    assert unused.weight.grad is None
    one.requires_grad_(False)
    assert not backward_now(one(torch.ones(1, 3)).sum(), one.parameters()).requires_grad

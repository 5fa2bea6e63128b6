"""Stochastic depth: which branches are dropped how often, on average nothing changes, and the hooks go away."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from transformers import ResNetConfig, ResNetForImageClassification

from tests.contract import tiny_images
from textssl.errors import UserError
from textssl.forward.depth import residual_branches, stochastic_depth


def resnet() -> ResNetForImageClassification:
    torch.manual_seed(0)
    config = ResNetConfig(num_channels=1, embedding_size=4, hidden_sizes=[4, 4], depths=[1, 1], layer_type="basic")
    return ResNetForImageClassification(config).eval()


class Block(nn.Module):
    """Adds 1 to its input: relu(shortcut(x) + layer(x))."""

    def __init__(self) -> None:
        super().__init__()
        self.shortcut, self.layer = nn.Identity(), Ones()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.shortcut(x) + self.layer(x)


class Ones(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.ones_like(x)


def test_blocks_are_kept_as_often_as_the_paper_says() -> None:
    """Of four blocks with p_L = 0.2 the l-th is kept with 1 - l / 4 * 0.8; those that are kept are scaled up."""
    torch.manual_seed(0)
    blocks = nn.Sequential(*[Block() for _ in range(4)])
    steps: list[torch.Tensor] = []
    for block in blocks:
        block.register_forward_hook(lambda module, inputs, out: steps.append(out - inputs[0]))
    with stochastic_depth(blocks, 0.2):
        out = blocks(torch.zeros(20000, 1))
    for step, keep in zip(steps, (0.8, 0.6, 0.4, 0.2), strict=True):
        kept = step > 0
        assert kept.float().mean().item() == pytest.approx(keep, abs=0.015)
        torch.testing.assert_close(step[kept], torch.full_like(step[kept], 1 / keep))
    assert out.mean().item() == pytest.approx(4.0, abs=0.1)


@pytest.mark.parametrize("make", [resnet, lambda: tiny_images.model().eval()])
def test_both_kinds_of_block_are_found_and_left_alone_afterwards(make) -> None:
    model = make()
    channels = model.config.num_channels
    pixels = torch.randn(6, channels, 8, 8)
    before = model(pixels).logits
    assert len(residual_branches(model)) == 2
    with stochastic_depth(model, 1.0):
        assert torch.equal(model(pixels).logits, before)
    with stochastic_depth(model, 0.1):
        assert not torch.allclose(model(pixels).logits, before)
    assert torch.equal(model(pixels).logits, before)


def test_a_vit_without_any_branch_is_its_input() -> None:
    """Survival near 0 drops the last layer always: the next to last one's output goes to the head."""
    model = tiny_images.model().eval()
    layers = [block for block, _ in residual_branches(model)]
    seen: dict[str, torch.Tensor] = {}
    layers[-1].register_forward_pre_hook(lambda module, inputs: seen.update(before=inputs[0]))
    with stochastic_depth(model, 1e-9):
        layers[-1].register_forward_hook(lambda module, inputs, out: seen.update(after=out))
        model(torch.randn(4, 1, 8, 8))
    after = seen["after"][0] if isinstance(seen["after"], tuple) else seen["after"]
    torch.testing.assert_close(after, seen["before"])


def test_a_model_without_blocks_is_refused() -> None:
    with pytest.raises(UserError, match="survival: Sequential has no residual blocks that can be dropped"):
        residual_branches(nn.Sequential(nn.Linear(2, 2)))

"""Stochastic depth: whole residual branches dropped, example by example (Huang et al., 2016, arXiv:1603.09382)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import UserError
from .inside import hidden_layers


__all__ = ["residual_branches", "stochastic_depth"]


def residual_branches(model: nn.Module) -> list[tuple[nn.Module, bool]]:
    """The residual blocks of an image classifier, first to last.

    Returns:
        For each block a module, and whether its output is the branch alone (ResNet) or the branch added to its input
        (the layers of ViT and its kin).

    Raises:
        UserError: a model whose blocks are not found.
    """
    blocks: list[Any] = [m for m in model.modules() if isinstance(getattr(m, "shortcut", None), nn.Module)]
    found = [(block.layer, True) for block in blocks]
    if found:
        return found
    try:
        return [(layer, False) for layer in hidden_layers(model)]
    except UserError as error:
        raise UserError(
            f"survival: {type(model).__name__} has no residual blocks that can be dropped; ResNet, ViT and their kin "
            "have, other models may take drop_path_rate in their own config; 1 drops none"
        ) from error


@contextmanager
def stochastic_depth(model: nn.Module, survival: float) -> Iterator[None]:
    """For a while, passes of ``model`` drop residual branches at random, and scale up those that are kept.

    Block l of L is kept with probability 1 - l / L (1 - ``survival``), for each example by itself. A branch that is
    kept is divided by that probability, so that evaluation needs no correction.

    Args:
        model: an image classifier.
        survival: p_L, of the last block; 1 drops none.
    """
    if survival >= 1:
        yield
        return
    blocks = residual_branches(model)
    with ExitStack() as hooks:
        for number, (block, alone) in enumerate(blocks, start=1):
            keep = 1 - number / len(blocks) * (1 - survival)
            hooks.callback(block.register_forward_hook(_dropping(keep, alone)).remove)
        yield


def _dropping(keep: float, alone: bool) -> Any:
    def dropped(_: nn.Module, inputs: tuple[Any, ...], output: Any) -> Any:
        made: Tensor = output[0] if isinstance(output, tuple) else output
        kept = torch.rand((len(made), *[1] * (made.dim() - 1)), device=made.device) < keep
        factor = kept.to(made.dtype) / keep
        made = made * factor if alone else inputs[0] + (made - inputs[0]) * factor
        return (made, *output[1:]) if isinstance(output, tuple) else made

    return dropped

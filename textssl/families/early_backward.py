"""A loss whose gradients are taken at once, so that its graph is gone before another is built."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn


__all__ = ["backward_now"]


class _KnownGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, loss: Tensor, gradients: Sequence[Tensor | None], *parameters: Tensor) -> Tensor:
        ctx.gradients = gradients
        return loss.clone()

    @staticmethod
    def backward(ctx: Any, scale: Tensor) -> Any:
        # In place, and once: a second copy would be as large as the network.
        gradients, ctx.gradients = ctx.gradients, None
        return None, None, *[None if g is None else g.mul_(scale) for g in gradients]


def backward_now(loss: Tensor, parameters: Iterable[nn.Parameter]) -> Tensor:
    """Return ``loss`` without its graph: what it says of ``parameters`` is known, and ``backward`` hands it over.

    Whatever the loss is scaled by later, as by accumulation, scales the gradients; ``backward`` works once.

    Args:
        loss: a scalar that depends on none but ``parameters``.
        parameters: those that require no gradient are left out.
    """
    if not loss.requires_grad:
        return loss
    trained = [p for p in parameters if p.requires_grad]
    gradients = torch.autograd.grad(loss, trained, allow_unused=True)
    loss_with_gradients: Tensor = _KnownGradient.apply(loss.detach(), gradients, *trained)
    return loss_with_gradients

"""From the states of all tokens to one vector of each text."""

from __future__ import annotations

import torch
from torch import Tensor


__all__ = ["POOLINGS", "pool"]

POOLINGS = ("mean", "cls", "last")


def pool(states: Tensor, mask: Tensor | None, pooling: str) -> Tensor:
    """One vector of each text, in which padding on either side does not count.

    Args:
        states: of the encoder's last layer [B, T, D].
        mask: 1 where a token is real [B, T]; ``None``: all are.
        pooling: ``"mean"`` of the tokens, the first one (``"cls"``) or the ``"last"`` one.

    Returns:
        [B, D], in the type of ``states``.
    """
    if mask is None:
        mask = torch.ones(states.shape[:2], dtype=torch.long, device=states.device)
    if pooling == "mean":
        # In half precision the sum over a long text would be rounded.
        weights = mask[..., None].float()
        mean: Tensor = (states.float() * weights).sum(1) / weights.sum(1).clamp(min=1e-9)
        return mean.to(states.dtype)
    real = (mask != 0).int()
    # The first of several that are largest.
    place = real.argmax(1) if pooling == "cls" else real.shape[1] - 1 - real.flip(1).argmax(1)
    return states[torch.arange(len(states), device=states.device), place]

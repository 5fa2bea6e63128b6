"""Running statistics of batch norms, equal on every process."""

from __future__ import annotations

import torch
from torch import nn

from textssl.state.collectives import all_mean, world_size
from textssl.state.module_modes import batch_norms


__all__ = ["average_batch_norms"]


@torch.no_grad()
def average_batch_norms(model: nn.Module) -> None:
    """Replace the running statistics of each batch norm by their mean over processes.

    Every process must call it, once per optimizer step; one process alone does nothing. Each process has seen
    its own rows, and without this they would evaluate different models.

    Args:
        model: the unwrapped model.
    """
    if world_size() == 1:
        return
    buffers = [b for m in batch_norms(model) for b in (m.running_mean, m.running_var) if b is not None]
    if not buffers:
        return
    joined = all_mean(torch.cat([b.float().reshape(-1) for b in buffers]))
    for buffer, mean in zip(buffers, joined.split([b.numel() for b in buffers]), strict=True):
        buffer.copy_(mean.view_as(buffer))

"""Sums, means and joins over processes, for state only.

None is differentiable, none but :func:`average_gradients` writes to its argument, and all give the same result on
every process. With one process they return their argument, detached. Every process must call them, in the same
order, with tensors of one shape and dtype; the shapes are not compared, since that would take a
further exchange.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
import torch.distributed as dist
from torch import Tensor


__all__ = ["all_cat", "all_mean", "all_sum", "average_gradients", "broadcast_from_first", "rank", "world_size"]

# Bytes of gradients that are exchanged at once: what DDP takes, so that the copy stays small beside the network.
BUCKET_BYTES = 25 * 2**20


def world_size() -> int:
    """Number of processes; 1 where no process group exists."""
    return dist.get_world_size() if _initialized() else 1


def rank() -> int:
    """Number of this process, from 0; 0 where no process group exists."""
    return dist.get_rank() if _initialized() else 0


@torch.no_grad()
def all_sum(x: Tensor) -> Tensor:
    """Sum of ``x`` over processes, of the shape of ``x``."""
    if world_size() == 1:
        return x.detach()
    total = _contiguous_copy(x)
    dist.all_reduce(total)
    return total


@torch.no_grad()
def all_mean(x: Tensor) -> Tensor:
    """Mean of floating-point ``x`` over processes, each counting the same.

    Raises:
        ValueError: ``x`` is not floating point.
    """
    if not x.is_floating_point():
        raise ValueError(f"x: got {x.dtype}; expected a floating-point tensor, to take its mean")
    return all_sum(x) / world_size()


@torch.no_grad()
def all_cat(x: Tensor) -> Tensor:
    """Join ``x``, ``[N, ...]`` on each process, along its first axis in the order of the ranks.

    Every process must hold the same N.

    Returns:
        ``[world_size * N, ...]``.

    Raises:
        ValueError: ``x`` has no axis.
    """
    if x.dim() == 0:
        raise ValueError("x: got shape []; expected at least one axis to be joined along")
    if world_size() == 1:
        return x.detach()
    mine = _contiguous_copy(x)
    parts = [torch.empty_like(mine) for _ in range(world_size())]
    dist.all_gather(parts, mine)
    return torch.cat(parts)


@torch.no_grad()
def average_gradients(parameters: Iterable[Tensor]) -> None:
    """Replace each gradient by its mean over processes, as DDP does for the network that it wraps.

    Gradients are joined into buckets of one device and dtype, so that a network costs a few exchanges. Parameters
    without a gradient are left so; they must be the same on every process.

    Args:
        parameters: of a network that is wrapped by nothing; their ``grad`` is written.
    """
    if world_size() == 1:
        return
    buckets: dict[tuple[torch.device, torch.dtype], list[list[Tensor]]] = {}
    for gradient in (p.grad for p in parameters if p.grad is not None):
        of_kind = buckets.setdefault((gradient.device, gradient.dtype), [[]])
        if of_kind[-1] and sum(g.nbytes for g in of_kind[-1]) + gradient.nbytes > BUCKET_BYTES:
            of_kind.append([])
        of_kind[-1].append(gradient)
    for bucket in (bucket for of_kind in buckets.values() for bucket in of_kind):
        mean = all_mean(torch.cat([gradient.flatten() for gradient in bucket]))
        for gradient, part in zip(bucket, mean.split([g.numel() for g in bucket]), strict=True):
            gradient.copy_(part.view_as(gradient))


@torch.no_grad()
def broadcast_from_first(x: Tensor) -> Tensor:
    """What process 0 holds in ``x``, of the shape of ``x``."""
    if world_size() == 1:
        return x.detach()
    copy = _contiguous_copy(x)
    dist.broadcast(copy, src=0)
    return copy


def _initialized() -> bool:
    return dist.is_available() and dist.is_initialized()


def _contiguous_copy(x: Tensor) -> Tensor:
    return x.detach().clone(memory_format=torch.contiguous_format)

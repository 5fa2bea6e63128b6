"""Modes of a network that are held for a while and then given back, such as evaluation or its own precision."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm


__all__ = ["batch_norms", "evaluating", "frozen_running_statistics", "own_precision", "training"]


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode for a while. Only modules that were training are set back to it."""
    before = [module for module in model.modules() if module.training]
    if before:
        model.eval()
    try:
        yield
    finally:
        for module in before:
            module.training = True


@contextmanager
def training(model: nn.Module) -> Iterator[None]:
    """Training mode for a while, dropout and batch statistics included, also for a model that refuses ``train()``."""
    before = [module for module in model.modules() if not module.training]
    for module in before:
        module.training = True
    try:
        yield
    finally:
        for module in before:
            module.training = False


@contextmanager
def frozen_running_statistics(model: nn.Module) -> Iterator[None]:
    """Batch norms in training mode normalise by the batch, and leave their running statistics as they are."""
    before = [module for module in batch_norms(model) if module.track_running_stats and module.training]
    for module in before:
        module.track_running_stats = False
    try:
        yield
    finally:
        for module in before:
            module.track_running_stats = True


@contextmanager
def own_precision(model: nn.Module) -> Iterator[None]:
    """The model's own ``forward``: what accelerate puts in its place enters mixed precision on every call."""
    patched = [(module, module.forward) for module in model.modules() if "_original_forward" in vars(module)]
    for module, _ in patched:
        module.forward = vars(module)["_original_forward"]
    try:
        yield
    finally:
        for module, forward in patched:
            module.forward = forward


def batch_norms(model: nn.Module) -> list[_BatchNorm]:
    """The batch norms of a model that keep running statistics."""
    return [m for m in model.modules() if isinstance(m, _BatchNorm) and m.running_mean is not None]

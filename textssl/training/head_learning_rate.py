"""A learning rate of its own for the head of a classifier."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel

from ..errors import UserError
from ..forward.inside import last_linear
from ..models.adapters import base_of, frozen_head, has_adapters
from ..models.vector_head import VectorHead
from .checkpointing_trainer import CheckpointingTrainer


__all__ = ["HeadLearningRate", "head_parameters", "relative_rates", "set_head_learning_rate"]


class HeadLearningRate(CheckpointingTrainer):
    """Makes parameter groups of the head, of the student's and of a second network's that the optimizer moves too."""

    args: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        rate = kwargs["args"].head_learning_rate
        if rate is not None and not head_parameters(kwargs["model"]):
            raise UserError(f"head_learning_rate: got {rate}; {_why_no_head(kwargs['model'])}")
        super().__init__(*args, **kwargs)

    def create_optimizer(self, model: Any = None) -> Any:
        """Trainer's optimizer, in which heads have a learning rate of their own."""
        fresh = self.optimizer is None
        optimizer = super().create_optimizer(model)
        if fresh and self.args.head_learning_rate is not None:
            student = self.unwrapped_model
            set_head_learning_rate(optimizer, [student, *_networks(self.objective)], self.args.head_learning_rate)
        return optimizer


def head_parameters(model: Any) -> list[nn.Parameter]:
    """Parameters of the head that are trained; none where the model is nothing but a head.

    They are those outside ``model.base_model``, of several models in one those of each. Of a model that has no part
    of that name they are those of its last linear layer.

    Args:
        model: a classifier, with or without adapters.
    """
    inner = base_of(model)
    base = getattr(inner, "base_model", inner)
    if base is inner and (members := [*_networks(inner)]):
        return [parameter for member in members for parameter in head_parameters(member)]
    if base is inner and isinstance(inner, VectorHead):
        return []
    encoder = {id(parameter) for parameter in base.parameters()} if base is not inner else set()
    found = [p for p in inner.parameters() if encoder and p.requires_grad and id(p) not in encoder]
    return found or [p for p in last_linear(inner).parameters() if p.requires_grad]


def set_head_learning_rate(optimizer: torch.optim.Optimizer, models: Iterable[nn.Module], rate: float) -> None:
    """Split the groups of a new optimizer, so that the heads of ``models`` have the learning rate ``rate``.

    Weight decay and all else stay as they are for each parameter.
    """
    heads = {id(parameter) for model in models for parameter in head_parameters(model)}
    for group in list(optimizer.param_groups):
        head = [parameter for parameter in group["params"] if id(parameter) in heads]
        if len(head) == len(group["params"]):
            group["lr"] = rate
        elif head:
            group["params"] = [parameter for parameter in group["params"] if id(parameter) not in heads]
            optimizer.add_param_group({**group, "params": head, "lr": rate})


def relative_rates(optimizer: Any) -> dict[int, float]:
    """The peak learning rate of each parameter, by ``id``, in units of that of the first group."""
    groups = optimizer.param_groups
    peaks = [float(group.get("initial_lr", group["lr"])) for group in groups]
    return {id(p): peak / peaks[0] for group, peak in zip(groups, peaks, strict=True) for p in group["params"]}


def _why_no_head(model: Any) -> str:
    if has_adapters(model) and (names := frozen_head(model)):
        return f"the head is frozen: name {names[0].split('.')[0]!r} in modules_to_save of peft's config"
    return f"{type(model).__name__} trains no head apart from an encoder: set learning_rate"


def _networks(module: nn.Module) -> Iterator[PreTrainedModel]:
    """Models within a module, but not those within them."""
    for child in module.children():
        if isinstance(child, PreTrainedModel):
            yield child
        else:
            yield from _networks(child)

"""One model of transformers from what was chosen: temperatures in the heads, averages of heads or of networks."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np
import torch
from transformers import PreTrainedModel

from ..forward.inside import last_linear
from ..models.modeling_ensemble import Ensemble
from .candidates.base import Trained
from .probe import LinearHead


__all__ = ["assemble", "scaled_model"]


def assemble(members: Sequence[tuple[Trained, float, float]]) -> PreTrainedModel:
    """The model whose logits are the weighted mean of calibrated logits.

    The mean of linear heads on one frozen encoder is one linear head. Other networks become an
    :class:`textssl.models.Ensemble`.

    Args:
        members: of each classifier the trained one, its temperature, and its weight; weights sum to one.
    """
    heads = [(trained, temperature, weight) for trained, temperature, weight in members if _head(trained) is not None]
    parts = []
    if heads:
        total = sum(weight for *_, weight in heads)
        scaled = [(_head(trained).scaled(temperature), weight / total) for trained, temperature, weight in heads]  # type: ignore[union-attr]
        parts.append((_with_head(heads[0][0], [*scaled]), total))
    for trained, temperature, weight in members:
        if _head(trained) is None:
            parts.append((scaled_model(trained.model(), temperature), weight))
    if len(parts) == 1:
        return parts[0][0].eval()
    # An ensemble takes the plain mean.
    return Ensemble.of([scaled_model(model, 1 / (weight * len(parts))) for model, weight in parts]).eval()


def scaled_model(model: PreTrainedModel, temperature: float) -> PreTrainedModel:
    """The model with logits divided by ``temperature``: its last linear layer is changed."""
    if isinstance(model, Ensemble):
        for member in model.members:
            assert isinstance(member, PreTrainedModel)
            scaled_model(member, temperature)
        return model
    layer = last_linear(model)
    with torch.no_grad():
        layer.weight.div_(temperature)
        if layer.bias is not None:
            layer.bias.div_(temperature)
    return model


def _head(trained: Trained) -> LinearHead | None:
    head = getattr(trained, "head", None)
    return head if isinstance(head, LinearHead) else None


def _with_head(trained: Trained, heads: Sequence[tuple[LinearHead, float]]) -> PreTrainedModel:
    """The model of a linear head, with the weighted mean of several instead."""
    mean = copy.copy(trained)
    mean.head = LinearHead(  # type: ignore[attr-defined]
        np.sum([weight * head.weight for head, weight in heads], axis=0),
        np.sum([weight * head.bias for head, weight in heads], axis=0),
    )
    return mean.model()

"""A second network that learns beside the student: the same encoder, and a head of its own."""

from __future__ import annotations

import copy

import torch
from transformers import PreTrainedModel


__all__ = ["second_network"]


def second_network(model: PreTrainedModel, seed: int) -> PreTrainedModel:
    """A copy of ``model`` whose head is drawn anew, so that the two do not begin as one.

    All that stands outside ``model.base_model`` is drawn as the model's own initialization does; of a model that has
    no part of that name, such as :class:`textssl.features.FeatureClassifier`, the whole is. Buffers are copied: a
    fitted mean and standard deviation stay. The draw is a function of ``seed`` alone, on every device, and torch's
    generators are left as they were.

    Args:
        model: the unwrapped student. It is copied, not kept.
        seed: of the draw.
    """
    network = copy.deepcopy(model).cpu()
    base = network.base_model
    encoder = set() if base is network else {id(part) for part in [*base.modules(), *base.parameters()]}
    # Transformers draws what does not bear this mark, and marks it.
    for part in [*network.modules(), *network.parameters()]:
        part._is_hf_initialized = id(part) in encoder  # type: ignore[attr-defined]
    buffers = [(buffer, buffer.clone()) for buffer in network.buffers()]
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.default_generator.manual_seed(seed)
        network.initialize_weights()
        for buffer, before in buffers:
            buffer.copy_(before)
    for parameter in network.parameters():
        parameter._is_hf_initialized = True  # type: ignore[attr-defined]
    return network.to(model.device)  # type: ignore[arg-type]  # transformers' own annotation of ``to``

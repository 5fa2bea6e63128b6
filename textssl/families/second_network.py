"""A second network that learns beside the student: by default the same encoder, with a head of its own."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, ClassVar

import datasets
import torch
from torch import nn
from transformers import PreTrainedModel

from ..augment import Augmentation
from ..data.class_names import share_names
from ..errors import UserError
from ..modalities import modality_of
from ..models.adapters import base_of, has_adapters, refuse_adapters
from ..models.inspection import position_limit
from ..models.padding import align_special_tokens, counts_left_padding
from ..state import copy_sharing_frozen
from ..training.model_init import given_or_copied
from ..training.trainer import SSLTrainer


__all__ = ["SecondNetworkTrainer", "check_second_network", "make_second_network"]

# The student's head is often drawn after a seed of the same number: the second must not be the same draw.
STREAM = 0x5EC07D


class SecondNetworkTrainer(SSLTrainer):
    """A trainer of two networks, of which a person may give the second.

    A method's trainer names the argument in ``second_network_argument`` and describes it. Beside it there is one for
    the tokenizer or image processor that the network was made with, to be checked: ``peer_processing_class``.

    Args:
        model: the first network.
        args: the method's config.
        train_dataset: as for any trainer.
        unlabeled_dataset: as for any trainer.
        eval_dataset: as for any trainer.
        processing_class: as for any trainer.
        augmentations: as for any trainer.
        **kwargs: the second network and its processing class; all else as for any trainer.

    Raises:
        UserError: also for a second network that cannot read the inputs of the first or has other labels.
    """

    second_network_argument: ClassVar[str]

    def __init__(
        self,
        model: PreTrainedModel | None = None,
        args: Any = None,
        train_dataset: datasets.Dataset | None = None,
        unlabeled_dataset: datasets.Dataset | None = None,
        eval_dataset: datasets.Dataset | dict[str, datasets.Dataset] | None = None,
        processing_class: Any = None,
        augmentations: Mapping[str, Augmentation] | None = None,
        **kwargs: Any,
    ) -> None:
        name = self.second_network_argument
        self._given: tuple[Any, Any] = (kwargs.pop(name, None), kwargs.pop(f"{name}_processing_class", None))
        super().__init__(
            model, args, train_dataset, unlabeled_dataset, eval_dataset, processing_class, augmentations, **kwargs
        )

    def _check_given(self, student: nn.Module, network: PreTrainedModel, processing_class: Any) -> PreTrainedModel:
        """The second network, or a copy to train; its classes get their names from the student's."""
        name, ours, length = self.second_network_argument, self.processing_class, self.args.max_length
        check_second_network(name, network, processing_class, student, ours, length)  # type: ignore[arg-type]
        share_names(name, network.config, student.config)
        return given_or_copied(self, network)


def make_second_network(model: PreTrainedModel, seed: int) -> PreTrainedModel:
    """A copy of ``model`` whose head is drawn anew, so that the two do not begin as one.

    All that stands outside ``model.base_model`` is drawn as the model's own initialization does; of a model that has
    no part of that name, such as :class:`textssl.features.FeatureClassifier`, the whole is. Buffers are copied: a
    fitted mean and standard deviation stay. The draw is a function of ``seed`` alone, on every device, and torch's
    generators are left as they were. Of a model with adapters the adapters are copied, what is trained of the head is
    drawn anew, and the frozen base is that of ``model`` itself.

    Args:
        model: the unwrapped student. What is trained of it is copied.
        seed: of the draw.
    """
    adapted = has_adapters(model)
    network = copy_sharing_frozen(model) if adapted else copy.deepcopy(model)
    shared = {id(p) for p in network.parameters() if adapted and not p.requires_grad}
    own = [x for x in [*network.parameters(), *network.buffers()] if id(x) not in shared]
    homes = [x.device for x in own]
    for x in own:
        x.data = x.data.cpu()
    inner = base_of(network)
    base = inner.base_model
    encoder = set() if base is inner else {id(part) for part in [*base.modules(), *base.parameters()]}
    # Transformers draws what does not bear this mark, and marks it.
    for part in [*network.modules(), *network.parameters()]:
        part._is_hf_initialized = id(part) in encoder | shared  # type: ignore[attr-defined]
    buffers = [(buffer, buffer.clone()) for buffer in network.buffers()]
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.default_generator.manual_seed(STREAM + seed)
        inner.initialize_weights()
        for buffer, before in buffers:
            buffer.copy_(before)
    for parameter in network.parameters():
        parameter._is_hf_initialized = True  # type: ignore[attr-defined]
    for x, home in zip(own, homes, strict=True):
        x.data = x.data.to(home)
    return network


def check_second_network(
    role: str,
    network: PreTrainedModel,
    processing_class: Any,
    student: PreTrainedModel,
    students_processing: Any,
    max_length: int,
) -> None:
    """Raise UserError unless ``network`` can read the student's inputs. Its classes are compared once they have names.

    Args:
        role: the argument's name, for the message.
        network: the second network.
        processing_class: its tokenizer or image processor; ``None`` if unknown: then sizes alone are compared.
        student: the first network.
        students_processing: tokenizer or image processor that makes the inputs of both.
        max_length: most tokens of a text.
    """
    if network is student:
        raise UserError(f"{role}: got the model itself; both learn, so give it a network of its own")
    refuse_adapters(role, network, "a second network is trained as a whole")
    kind = modality_of(student, students_processing)
    if network.main_input_name != kind.main_input:
        raise UserError(f"{role}: {type(network).__name__} takes {network.main_input_name!r}, not {kind.main_input!r}")
    for name in ("input_size", "num_channels", "image_size"):
        sizes = [getattr(config, name, None) for config in (network.config, student.config)]
        if None not in sizes and sizes[0] != sizes[1]:
            raise UserError(f"{role}: its {name} is {sizes[0]}; that of the model is {sizes[1]}")
    if kind.name == "text":
        _check_tokens(role, network, processing_class, students_processing, max_length)
        align_special_tokens(network, students_processing)
        _check_side(role, network, kind.processing_class)


def _check_tokens(
    role: str, network: PreTrainedModel, processing_class: Any, students_processing: Any, max_length: int
) -> None:
    limit = position_limit(network)
    if limit is not None and limit < max_length:
        raise UserError(f"{role}: it takes {limit} tokens; max_length is {max_length}")
    size, tokens = getattr(network.config, "vocab_size", None), len(students_processing)
    if size is not None and size < tokens:
        raise UserError(f"{role}: it knows {size} tokens; the tokenizer of the model has {tokens}")
    if processing_class is not None and _vocabulary(processing_class) != _vocabulary(students_processing):
        raise UserError(f"{role}: its tokenizer is another than the model's; both must read the same token ids")


def _check_side(role: str, network: PreTrainedModel, tokenizer: Any) -> None:
    if tokenizer.padding_side == "left" and counts_left_padding(network, int(tokenizer.pad_token_id)):
        raise UserError(
            f"{role}: {type(network).__name__} gives positions to padding, and the tokenizer pads on the left; "
            "set tokenizer.padding_side = 'right'"
        )


def _vocabulary(tokenizer: Any) -> tuple[dict[str, int], list[int]]:
    return tokenizer.get_vocab(), sorted(tokenizer.all_special_ids)

"""Several classifiers that load, save and run as one model of transformers.

A folder of such a model is known to transformers once the program that loads it has imported this module::

    import textssl.models
    from transformers import pipeline

    classify = pipeline("text-classification", model="folder")

No code is stored with the weights. Each member is a plain model: ``ensemble.members[0].save_pretrained(folder)``
writes a checkpoint that loads without textssl.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from transformers import (
    CONFIG_MAPPING,
    MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING,
    MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING,
    AutoConfig,
    AutoModelForImageClassification,
    AutoModelForSequenceClassification,
    PreTrainedModel,
)
from transformers.modeling_outputs import SequenceClassifierOutput

from ..errors import UserError
from .configuration_ensemble import EnsembleConfig


__all__ = ["Ensemble", "EnsembleConfig"]

# What transformers gathers from a model's direct children; between the ensemble and its members is a list.
GATHERED = (
    "_keep_in_fp32_modules",
    "_keep_in_fp32_modules_strict",
    "_keys_to_ignore_on_load_missing",
    "_keys_to_ignore_on_load_unexpected",
    "_no_split_modules",
    "_skip_keys_device_placement",
)


class Ensemble(PreTrainedModel):
    """Classifiers whose logits are averaged.

    The predicted class is that of the DivideMix paper (Li et al., 2020, arXiv:2002.07394), which adds the logits of
    its two networks. Their mean makes a softmax half as sure as the sum would, so that the probabilities are on
    the scale of one network.

    Args:
        config: of the members.
        networks: the members themselves, which are taken as they are; without them, new ones of ``config``.

    Attributes:
        members: the classifiers, an ``nn.ModuleList``.
        main_input_name: that of the members.

    Raises:
        UserError: no member; members that differ in their labels or in their main input; a number of labels that is
            not theirs; a config that is of no text, image or feature classifier, or unknown to transformers.
    """

    config_class = EnsembleConfig
    config: EnsembleConfig
    # Trainer is to average losses over accumulated batches itself.
    accepts_loss_kwargs = False
    # Each member checks for itself what it supports.
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_flex_attn = True

    def __init__(self, config: EnsembleConfig, networks: Sequence[PreTrainedModel] | None = None) -> None:
        attention = config._attn_implementation
        super().__init__(config)
        # What nobody asked for must not read as asked for, where a second model is made of this config.
        config._attn_implementation = attention
        if networks is None:
            networks = [_made(member, attention) for member in config.members]
        _check(networks)
        if config.num_labels != networks[0].config.num_labels:
            raise UserError(f"num_labels: got {config.num_labels}; the members have {networks[0].config.num_labels}")
        self.members = nn.ModuleList(networks)
        self.main_input_name = networks[0].main_input_name
        self.input_modalities = networks[0].input_modalities
        self.post_init()
        self._gather(networks)

    @classmethod
    def of(cls, networks: Sequence[PreTrainedModel]) -> Ensemble:
        """Wrap networks as they are: no weight is copied or drawn, and each keeps its training or evaluation mode.

        It costs far less than a forward, so that it need not be kept.

        Args:
            networks: at least one classifier; their labels and main input must agree, their architectures need not.

        Raises:
            UserError: no network, or networks that do not agree.
        """
        _check(networks)
        config = EnsembleConfig(members=[network.config.to_dict() for network in networks])
        config.name_or_path = networks[0].config.name_or_path
        ensemble = cls(config, networks)
        ensemble.training = all(network.training for network in networks)
        return ensemble

    def forward(
        self,
        *,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        position_ids: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        pixel_values: Tensor | None = None,
        features: Tensor | None = None,
        labels: Tensor | None = None,
        return_dict: bool | None = None,
        **others: Any,
    ) -> SequenceClassifierOutput | tuple[Tensor, ...]:
        """Classify. Each member is given those inputs that its own ``forward`` names.

        Args:
            input_ids: [B, T], of text classifiers.
            attention_mask: [B, T].
            token_type_ids: [B, T].
            position_ids: [B, T].
            inputs_embeds: [B, T, H], in place of ``input_ids``.
            pixel_values: [B, C, H, W], of image classifiers.
            features: [B, D], of classifiers of feature vectors.
            labels: class numbers [B]; given, the mean cross entropy is returned as ``loss``.
            return_dict: ``False`` for a tuple.
            **others: further inputs, each of which a member must name.

        Returns:
            ``logits`` [B, C], the mean of the members' in float32, and ``loss`` where there are labels.

        Raises:
            TypeError: an input that no member has.
        """
        inputs = {
            "input_ids": input_ids,
            "attention_mask": attention_mask,
            "token_type_ids": token_type_ids,
            "position_ids": position_ids,
            "inputs_embeds": inputs_embeds,
            "pixel_values": pixel_values,
            "features": features,
        }
        given = {name: value for name, value in inputs.items() if value is not None} | others
        named = [_named_inputs(type(member).forward) for member in self.members]
        if strange := others.keys() - frozenset().union(*named):
            raise TypeError(f"forward() got an input that no member has: {', '.join(sorted(strange))}")
        each = [
            member(**{name: value for name, value in given.items() if name in names}).logits.float()
            for member, names in zip(self.members, named, strict=True)
        ]
        logits = torch.stack(each).mean(0)
        loss = None if labels is None else nn.functional.cross_entropy(logits, labels)
        output = SequenceClassifierOutput(loss=loss, logits=logits)
        return output.to_tuple() if return_dict is False else output

    def init_weights(self) -> None:
        """Do nothing: members are initialised and tied when they are made, and given ones must stay as they are."""

    def _gather(self, networks: Sequence[PreTrainedModel]) -> None:
        """What saving and loading must know of the members: tied weights and the like."""
        for name in GATHERED:
            setattr(self, name, set().union(*(getattr(part, name, None) or () for part in (self, *networks))))
        unsaved: set[str] = set()
        for i, network in enumerate(networks):
            place = f"members.{i}."
            tied = getattr(network, "all_tied_weights_keys", None) or {}
            self.all_tied_weights_keys.update({place + name: place + source for name, source in tied.items()})
            unsaved.update(place + name for name in network._keys_to_ignore_on_save or ())
        self._keys_to_ignore_on_save = unsaved


def _made(member: dict[str, Any], attention: Any) -> PreTrainedModel:
    """A new member."""
    if member.get("model_type") not in CONFIG_MAPPING:
        raise UserError(
            f"members: got model_type {member.get('model_type')!r}; transformers knows no such model: one of your own "
            "must be registered first (AutoConfig.register)"
        )
    config = AutoConfig.for_model(**member)
    if type(config) in MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING:
        kind: Any = AutoModelForSequenceClassification
    elif type(config) in MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING:
        kind = AutoModelForImageClassification
    else:
        raise UserError(f"members: got model_type {config.model_type!r}; expected a classifier of texts or images")
    # The type that the ensemble is made in, not the one that the member had: from_pretrained sets it.
    chosen: dict[str, Any] = {"dtype": torch.get_default_dtype()}
    if attention is not None:
        chosen["attn_implementation"] = attention
    made: PreTrainedModel = kind.from_config(config, **chosen)
    return made


def _check(networks: Sequence[PreTrainedModel]) -> None:
    """Raise UserError unless these can be averaged."""
    if not networks:
        raise UserError("networks: got none; expected at least one classifier")
    first = networks[0]
    for i, network in enumerate(networks):
        if network.main_input_name != first.main_input_name:
            raise UserError(
                f"networks: number {i} takes {network.main_input_name!r}, the first one {first.main_input_name!r}; "
                "expected the same input"
            )
        if network.config.id2label != first.config.id2label:
            theirs, ours = _labels(network), _labels(first)
            raise UserError(
                f"networks: number {i} has {len(theirs)} labels ({_format_names(theirs)}), the first one {len(ours)} "
                f"({_format_names(ours)}); expected the same labels in the same order"
            )


def _labels(network: PreTrainedModel) -> list[str]:
    return [str(name) for name in (network.config.id2label or {}).values()]


def _format_names(names: list[str]) -> str:
    return f"{', '.join(names[:10])}{', ...' if len(names) > 10 else ''}"


@cache
def _named_inputs(forward: Callable[..., Any]) -> frozenset[str]:
    """What the ``forward`` of a class takes by name, other than ``self`` and a catch-all."""
    parameters = inspect.signature(forward).parameters.values()
    own = [part.name for part in parameters if part.kind in (part.POSITIONAL_OR_KEYWORD, part.KEYWORD_ONLY)]
    return frozenset(own) - {"self"}


AutoModelForSequenceClassification.register(EnsembleConfig, Ensemble, exist_ok=True)
AutoModelForImageClassification.register(EnsembleConfig, Ensemble, exist_ok=True)

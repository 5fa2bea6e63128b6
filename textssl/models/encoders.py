"""Encoders within a classifier: made and loaded without a pooler of their own."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import (
    MODEL_FOR_TEXT_ENCODING_MAPPING,
    MODEL_MAPPING,
    AutoConfig,
    AutoModel,
    AutoModelForTextEncoding,
    PretrainedConfig,
    PreTrainedModel,
)

from ..errors import UserError
from .embedded import EMBEDDED, embedded_model_path
from .load_report import quiet_load_report


__all__ = ["load_encoder", "make_encoder", "place_of"]

# A part that the classifier does not read: it would be a parameter that nothing trains.
POOLER = "pooler"
WITHOUT_POOLER = "add_pooling_layer"


def place_of(name: str) -> str:
    """The folder of ``"embedded"``; any other folder or name on the Hub as it is."""
    if name != EMBEDDED:
        return name
    return str(embedded_model_path())


def load_encoder(
    place: str, revision: str | None = None, pooler: bool = False, optional_pooler: bool = False
) -> PreTrainedModel:
    """A trained encoder in float32; only safetensors are read, and no code of the repository is run.

    Args:
        place: a folder, or a name on the Hub.
        revision: of a name on the Hub.
        pooler: whether the encoder keeps its own pooler.
        optional_pooler: whether it is dropped where the weights do not hold it.

    Raises:
        UserError: no such encoder, or weights that lack some of it.
    """
    local = Path(place).is_dir()
    hub_options: dict[str, Any] = {"local_files_only": local} | ({} if revision is None else {"revision": revision})
    try:
        config = AutoConfig.from_pretrained(place, **hub_options)
        with quiet_load_report() as loading:
            encoder, report = _kind(config).from_pretrained(
                place,
                config=config,
                dtype=torch.float32,
                use_safetensors=True,
                output_loading_info=True,
                **hub_options,
                **_options(config, pooler),
            )
            loading.encoder, loading.needs_pooler = encoder, pooler and not optional_pooler
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UserError(f"encoder: {place!r} cannot be loaded ({reason[:200]})") from error
    if optional_pooler and any(POOLER in name for name in report["missing_keys"]):
        pooler = False
    if lost := sorted(name for name in report["missing_keys"] if pooler or POOLER not in name):
        raise UserError(f"encoder: the weights of {place!r} lack {len(lost)} of its parameters, such as {lost[0]!r}")
    if not pooler:
        _drop_pooler(encoder)
    return encoder


def make_encoder(settings: dict[str, Any], attention: Any, pooler: bool = False) -> PreTrainedModel:
    """A new encoder.

    Args:
        settings: ``to_dict()`` of its config.
        attention: how it attends; ``None`` for its own choice.
        pooler: whether the encoder keeps its own pooler.
    """
    config = AutoConfig.for_model(**settings)
    # The type that the classifier is made in, not the one that the encoder had: from_pretrained sets it.
    chosen: dict[str, Any] = {"dtype": torch.get_default_dtype()}
    if attention is not None:
        chosen["attn_implementation"] = attention
    made: PreTrainedModel = _kind(config).from_config(config, **chosen, **_options(config, pooler))
    if not pooler:
        _drop_pooler(made)
    return made


def _drop_pooler(encoder: Any) -> None:
    """Take out a pooler that the encoder's class always makes, and skips where there is none."""
    part = getattr(encoder, POOLER, None)
    # One without parameters, such as the average of a convolution network, is always run.
    if isinstance(part, nn.Module) and next(part.parameters(), None) is not None:
        encoder.pooler = None


def _kind(config: PretrainedConfig) -> Any:
    """The class that loads the encoder alone, where the architecture has a decoder too."""
    alone = MODEL_FOR_TEXT_ENCODING_MAPPING.get(type(config), None)
    if alone is not None and alone is not MODEL_MAPPING.get(type(config), None):
        return AutoModelForTextEncoding
    if getattr(config, "is_encoder_decoder", False):
        raise UserError(f"encoder: got model_type {config.model_type!r}, which cannot be run without its decoder")
    return AutoModel


def _options(config: PretrainedConfig, pooler: bool) -> dict[str, Any]:
    kinds = MODEL_MAPPING.get(type(config), ())
    classes: tuple[Any, ...] = kinds if isinstance(kinds, tuple) else (kinds,)
    takes = bool(classes) and all(WITHOUT_POOLER in inspect.signature(kind).parameters for kind in classes)
    return {WITHOUT_POOLER: pooler} if takes and _kind(config) is AutoModel else {}

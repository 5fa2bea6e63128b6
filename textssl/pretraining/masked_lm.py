"""The masked language model of an encoder, and its head run at the masked places alone."""

from __future__ import annotations

import copy
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import (
    MODEL_FOR_MASKED_LM_MAPPING,
    AutoConfig,
    AutoModel,
    AutoModelForMaskedLM,
    PreTrainedModel,
    set_seed,
)

from ..errors import UserError
from ..models import PooledClassifierConfig, PooledTextClassifier
from ..models.pooled_classifier import PooledClassifier


__all__ = [
    "copy_encoder",
    "encoder_of",
    "masked_language_model",
    "masked_language_model_class",
    "reading_at",
    "save_pretrained",
]

logger = logging.getLogger(__name__)


def encoder_of(model: PreTrainedModel | str | Path) -> PreTrainedModel:
    """A model with weights: as given, or of a folder or a name, in float32; of a classifier that pools its encoder.

    Raises:
        UserError: it cannot be loaded.
    """
    if isinstance(model, PooledClassifier):
        return model.encoder
    if isinstance(model, PreTrainedModel):
        return model
    # With dropout the fused kernel falls back to a slower path on CPUs.
    attention = None if torch.cuda.is_available() else "eager"
    try:
        with _no_report():
            pooled = isinstance(AutoConfig.from_pretrained(str(model)), PooledClassifierConfig)
            kind: Any = PooledTextClassifier if pooled else AutoModel
            encoder: PreTrainedModel = kind.from_pretrained(
                str(model), dtype=torch.float32, attn_implementation=attention
            )
    except (OSError, ValueError) as error:
        reason = (str(error).strip().splitlines() or [""])[0]
        raise UserError(f"model: {str(model)!r} cannot be loaded ({reason})") from error
    return encoder.encoder if isinstance(encoder, PooledClassifier) else encoder


def masked_language_model_class(model: PreTrainedModel) -> Any:
    """The class of the masked language model with the encoder of ``model``.

    Raises:
        UserError: there is none of this architecture, as there is none of a decoder.
    """
    kind: Any = MODEL_FOR_MASKED_LM_MAPPING.get(type(model.config), None)
    if kind is None:
        raise UserError(f"model: there is no masked language model of {type(model).__name__}")
    return kind


def masked_language_model(model: PreTrainedModel, seed: int) -> tuple[PreTrainedModel, bool]:
    """A masked language model that has the encoder's weights of ``model``, which stays as it is.

    Its head is that of ``model``, or of the checkpoint that ``model`` was loaded from, where these have one. Else it
    is a fresh one: its output embeddings are the word embeddings, and a layer before them that is square starts as
    the identity, so that what is predicted first are the words nearest to the hidden states.

    Args:
        model: an encoder with any head or none.
        seed: of a fresh head.

    Returns:
        The model, and whether its head is fresh.

    Raises:
        UserError: there is no masked language model of this architecture.
    """
    kind = masked_language_model_class(model)
    if isinstance(model, kind):
        return copy.deepcopy(model), False
    config = copy.deepcopy(model.config)
    config.tie_word_embeddings = True
    attention = model.config._attn_implementation
    set_seed(seed)
    network = AutoModelForMaskedLM.from_config(config, dtype=torch.float32, attn_implementation=attention)
    fresh = True
    if config.name_or_path:
        try:
            with _no_report():
                # What the model was loaded from is on this machine, if it still exists.
                network, found = AutoModelForMaskedLM.from_pretrained(
                    config.name_or_path, config=config, dtype=torch.float32, attn_implementation=attention,
                    local_files_only=True, output_loading_info=True,
                )  # fmt: skip
            fresh = bool(found["missing_keys"])
        except (OSError, ValueError):
            logger.info("%s is gone: its head cannot be looked for", config.name_or_path)
    if fresh:
        _start_as_identity(network)
        logger.info("%s: a fresh masked-language-model head, tied to the word embeddings", type(network).__name__)
    copy_encoder(model, network)
    return network, fresh


@torch.no_grad()
def _start_as_identity(network: PreTrainedModel) -> None:
    encoder = {id(module) for module in network.base_model.modules()}
    for module in network.modules():
        if isinstance(module, nn.Linear) and id(module) not in encoder and module.in_features == module.out_features:
            nn.init.eye_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


@contextmanager
def _no_report() -> Iterator[None]:
    """Heads that are not there are no news here: without the table that transformers prints of them."""
    reporter = logging.getLogger("transformers")
    level = reporter.level
    reporter.setLevel(logging.ERROR)
    try:
        yield
    finally:
        reporter.setLevel(level)


def copy_encoder(source: PreTrainedModel, target: PreTrainedModel) -> None:
    """Give the encoder of ``target`` the weights of that of ``source``; what only one of them has stays.

    A pooler is such a part: a masked language model has none.
    """
    own = source.base_model.state_dict()
    known = target.base_model.state_dict()
    target.base_model.load_state_dict({k: v for k, v in own.items() if k in known}, strict=False)


@contextmanager
def reading_at(model: nn.Module, places: Tensor) -> Iterator[None]:
    """Within it the head of ``model`` reads the hidden states at ``places`` alone: its logits are [1, M, V].

    The head is most of the cost of a small encoder, and five positions of six have no loss.

    Args:
        model: a masked language model, whose head treats each position by itself.
        places: [M], numbers of positions of the flattened [B, T] ids.
    """

    def gather(module: nn.Module, args: Any, output: Any) -> Any:
        hidden = output[0]
        output.last_hidden_state = hidden.flatten(0, -2).index_select(0, places)[None]
        return output

    encoder: Any = model.base_model
    handle = encoder.register_forward_hook(gather)
    try:
        yield
    finally:
        handle.remove()


def save_pretrained(network: PreTrainedModel, source: PreTrainedModel, folder: str | Path) -> None:
    """Write ``network``, and what the encoder of ``source`` has beside it, as a Transformers checkpoint.

    A classifier that is loaded from it then finds its pooler too.
    """
    prefix = network.base_model_prefix
    own = network.state_dict()
    beside = {f"{prefix}.{k}": v for k, v in source.base_model.state_dict().items() if f"{prefix}.{k}" not in own}
    network.save_pretrained(folder, state_dict={**own, **beside})

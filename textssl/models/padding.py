"""Classifiers and the padding of their tokenizer: the padding token that the config needs, and the side."""

from __future__ import annotations

import copy
import logging
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

from ..errors import UserError
from ..state.module_modes import evaluating


__all__ = ["align_special_tokens", "check_padding_token", "counts_left_padding", "right_padded"]

logger = logging.getLogger(__name__)

SPECIAL_TOKENS = ("pad_token_id", "bos_token_id", "eos_token_id")


def check_padding_token(model: PreTrainedModel, tokenizer: Any) -> None:
    """Raise UserError unless ``tokenizer`` has a padding token that ``model`` has an embedding for."""
    token = getattr(tokenizer, "pad_token_id", None)
    if token is None:
        raise UserError(
            f"processing_class: expected a tokenizer that has a padding token; got {type(tokenizer).__name__} without "
            "one. Set it first, for a decoder usually tokenizer.pad_token = tokenizer.eos_token"
        )
    known = getattr(model.config.get_text_config(), "vocab_size", None)
    if known is not None and token >= known:
        raise UserError(
            f"processing_class: its padding token has the id {token}; {type(model).__name__} knows {known} tokens. "
            "Call model.resize_token_embeddings(len(tokenizer)) first"
        )


def align_special_tokens(model: PreTrainedModel, tokenizer: Any) -> None:
    """Write the special tokens of ``tokenizer`` into the model's config.

    Decoders find the end of a padded text by ``config.pad_token_id``. Trainer writes it when training starts, which
    is too late for a copy made before, such as a teacher, and for an evaluation without any training.

    Args:
        model: a text classifier, or several in one.
        tokenizer: what makes its inputs. A token that it lacks stays as the config has it.
    """
    configs = [part.config for part in model.modules() if isinstance(part, PreTrainedModel)]
    for config in {id(config): config.get_text_config() for config in configs}.values():
        for name in SPECIAL_TOKENS:
            token, known = getattr(tokenizer, name, None), getattr(config, name, None)
            if token is None or token == known or (isinstance(known, list) and token in known):
                continue
            setattr(config, name, [token, *known] if isinstance(known, list) else token)


def right_padded(model: PreTrainedModel, tokenizer: Any) -> Any:
    """The tokenizer, or where padding on its left would change the model's logits, a copy that pads on the right."""
    if tokenizer.padding_side != "left" or not counts_left_padding(model, int(tokenizer.pad_token_id)):
        return tokenizer
    logger.warning(
        "processing_class: got padding_side 'left'; %s gives positions to padding, so that its logits would "
        "depend on the longest text of a batch: texts are padded on the right instead, and the tokenizer is saved so",
        type(model).__name__,
    )
    other = copy.deepcopy(tokenizer)
    other.padding_side = "right"
    return other


def counts_left_padding(model: PreTrainedModel, pad_token_id: int) -> bool:
    """Whether padding on the left shifts the positions of a text, as learned absolute positions do (GPT-2, BERT).

    Args:
        model: a text classifier whose config knows its padding token.
        pad_token_id: that token.
    """
    device = model.device
    size = getattr(model.config.get_text_config(), "vocab_size", None) or pad_token_id + 4
    words = (torch.arange(3, device=device) + pad_token_id + 1)[None] % size
    padding = torch.full((1, 2), pad_token_id, device=device)
    with torch.no_grad(), evaluating(model):
        alone = _logits(model, words, torch.ones_like(words))
        mask = torch.cat([torch.zeros_like(padding), torch.ones_like(words)], dim=1)
        padded = _logits(model, torch.cat([padding, words], dim=1), mask)
    # Positions that are relative round otherwise, the more so in half precision.
    close = 1e-3 if model.dtype == torch.float32 else 5e-2
    return not torch.allclose(alone, padded, atol=close, rtol=10 * close)


def _logits(model: PreTrainedModel, ids: Tensor, mask: Tensor) -> Tensor:
    logits: Tensor = model(input_ids=ids, attention_mask=mask).logits
    return logits.float()

"""Tokenizers and classifiers of texts that a recipe names: of the Hub, of a folder, or embedded."""

from __future__ import annotations

import logging
from typing import Any

import torch
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    set_seed,
)

from ...models.encoders import place_of
from ...models.modeling_pooled_classifier import PooledTextClassifier
from ...models.sentence_transformers_files import read_sentence_files
from .model_loading import label_settings, load_named


__all__ = ["load_classifier", "load_pooled_classifier", "load_tokenizer", "token_limit"]

logger = logging.getLogger(__name__)

# What tokenizers without a limit say is beyond it.
UNLIMITED = 10**9


def load_tokenizer(model: str) -> PreTrainedTokenizerBase:
    """The tokenizer of a model; see :func:`load_classifier`. One without a padding token pads with its end token."""
    tokenizer: PreTrainedTokenizerBase = load_named(model, AutoTokenizer.from_pretrained, place_of(model))
    if tokenizer.pad_token is None and tokenizer.eos_token is not None:
        logger.warning(
            "model: the tokenizer of %s has no padding token; texts are padded with %s", model, tokenizer.eos_token
        )
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def token_limit(model: str) -> int | None:
    """The most tokens that a model reads, by its config and its tokenizer; ``None`` where neither sets a limit.

    Raises:
        UserError: no such model, or the Hub is out of reach.
    """
    config: Any = load_named(model, AutoConfig.from_pretrained, place_of(model))
    tokenizer: Any = load_named(model, AutoTokenizer.from_pretrained, place_of(model))
    limits = [getattr(config, "max_position_embeddings", None), tokenizer.model_max_length]
    known = [int(limit) for limit in limits if limit is not None and 0 < limit < UNLIMITED]
    return min(known, default=None)


def load_classifier(model: str, label_names: tuple[str, ...], seed: int) -> PreTrainedModel:
    """A text classifier with a fresh head, in float32; the same seed gives the same head.

    Args:
        model: a model of the Hub, a folder, or ``embedded``.
        label_names: the classes, in order; they go into the model's config.
        seed: of the head.

    Raises:
        UserError: no such model, or the Hub is out of reach.
    """
    set_seed(seed)
    network: PreTrainedModel = load_named(
        model,
        AutoModelForSequenceClassification.from_pretrained,
        place_of(model),
        **label_settings(label_names),
        dtype=torch.float32,
        # A classifier of other classes gives its encoder.
        ignore_mismatched_sizes=True,
        # With dropout the fused kernel falls back to a slower path on CPUs.
        attn_implementation=None if torch.cuda.is_available() else "eager",
    )
    return network


def load_pooled_classifier(model: str, label_names: tuple[str, ...], seed: int, like: str) -> PreTrainedModel:
    """A text classifier on the pooled states of an encoder, with a linear head, in float32.

    Args:
        model: a model of the Hub, a folder, or ``embedded``.
        label_names: the classes, in order.
        seed: of the head.
        like: the model whose files of sentence-transformers say how states are pooled.

    Raises:
        UserError: no such model, or the Hub is out of reach.
    """
    set_seed(seed)
    files = read_sentence_files(place_of(like))
    network: PreTrainedModel = load_named(
        model, _pooled, place_of(model), label_names, pooling=files.pooling, normalize=files.normalize
    )
    return network


def _pooled(place: str, *args: Any, local_files_only: bool, **kwargs: Any) -> PreTrainedModel:
    return PooledTextClassifier.from_encoder(place, *args, **kwargs)

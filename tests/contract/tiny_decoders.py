"""Tiny decoders, and the tokenizers that they come with: the model's config knows no padding token."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from transformers import (
    GPT2Config,
    GPT2ForSequenceClassification,
    LlamaConfig,
    LlamaForSequenceClassification,
    PreTrainedModel,
    Qwen3Config,
    Qwen3ForSequenceClassification,
)

from tests.contract import tiny_texts
from tests.contract.tiny_texts import CLASSES, SPECIAL, WORDS


# Initialised so that views, targets and terms differ visibly.
COMMON: dict[str, Any] = {
    "vocab_size": len(WORDS) + len(SPECIAL),
    "num_labels": CLASSES,
    "pad_token_id": None,
    "bos_token_id": 2,
    "eos_token_id": 3,
    "initializer_range": 0.2,
}
ROTARY: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "max_position_embeddings": 32,
}


def gpt2() -> PreTrainedModel:
    no_dropout = {"resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0}
    return GPT2ForSequenceClassification(
        GPT2Config(n_embd=32, n_layer=2, n_head=2, n_positions=32, **no_dropout, **COMMON)
    )


def llama() -> PreTrainedModel:
    return LlamaForSequenceClassification(LlamaConfig(**ROTARY, **COMMON))


def qwen() -> PreTrainedModel:
    return Qwen3ForSequenceClassification(Qwen3Config(head_dim=16, **ROTARY, **COMMON))


DECODERS: dict[str, Callable[[], PreTrainedModel]] = {"gpt2": gpt2, "llama": llama, "qwen": qwen}


def decoder(name: str, seed: int = 0) -> PreTrainedModel:
    torch.manual_seed(seed)
    return DECODERS[name]()


def tokenizer(pad: str | None = "[PAD]", side: str = "right") -> Any:
    """Texts end in ``[SEP]``, the end token: with ``pad="[SEP]"`` in what they are padded with, too."""
    own = copy.deepcopy(tiny_texts.tokenizer())
    own.eos_token, own.bos_token, own.pad_token, own.padding_side = "[SEP]", "[CLS]", pad, side
    return own

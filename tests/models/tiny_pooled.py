"""Tiny classifiers that pool an encoder's states."""

from __future__ import annotations

from typing import Any

import torch
from transformers import AutoModel, BertConfig, LlamaConfig, ModernBertConfig, T5Config, T5EncoderModel

from tests.contract.tiny_texts import CLASSES, SPECIAL, WORDS
from tests.contract.tiny_texts import model as bert
from textssl.models import PooledClassifierConfig, PooledTextClassifier


SIZE: dict[str, Any] = {"vocab_size": len(WORDS) + len(SPECIAL), "hidden_size": 32, "num_hidden_layers": 2}
SIZE |= {"num_attention_heads": 2, "intermediate_size": 64, "max_position_embeddings": 32, "pad_token_id": 0}


def encoder(kind: str = "bert", dropout: float = 0.0) -> Any:
    """A new encoder of a family."""
    torch.manual_seed(0)
    if kind == "t5":
        config = T5Config(vocab_size=SIZE["vocab_size"], d_model=32, d_kv=16, d_ff=64, num_layers=2, num_heads=2)
        return T5EncoderModel(config)
    if kind == "llama":
        return AutoModel.from_config(LlamaConfig(**SIZE))
    if kind == "modernbert":
        tokens = {"cls_token_id": 2, "sep_token_id": 3, "bos_token_id": 2, "eos_token_id": 3}
        return AutoModel.from_config(ModernBertConfig(**SIZE, **tokens, classifier_pooling="mean"))
    return AutoModel.from_config(BertConfig.from_dict(bert(dropout=dropout).config.to_dict()), add_pooling_layer=False)


def pooled(dropout: float = 0.0, **settings: Any) -> PooledTextClassifier:
    """A new classifier over a BERT, whose states and head differ visibly between texts."""
    config = bert(dropout=dropout).config.to_dict()
    torch.manual_seed(0)
    defaults = {"encoder": config, "num_labels": CLASSES, "initializer_range": 0.2}
    return PooledTextClassifier(PooledClassifierConfig(**{**defaults, **settings}))

"""A tiny text classification problem."""

from __future__ import annotations

from functools import cache
from typing import Any

import datasets
import numpy as np
import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast


CLASSES = 3
WORDS = [f"w{i}" for i in range(60)]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


@cache
def tokenizer() -> PreTrainedTokenizerFast:
    vocabulary = {word: i for i, word in enumerate(SPECIAL + WORDS)}
    fast = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    fast.normalizer = normalizers.BertNormalizer(lowercase=True)
    fast.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    fast.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=fast,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
        model_max_length=32,
    )


def texts(count: int, seed: int) -> tuple[list[str], list[int]]:
    """Texts of 3 to 12 words, of which every third comes from its class's own words."""
    rng = np.random.default_rng(seed)
    labels = [i % CLASSES for i in range(count)]
    drawn = []
    for label in labels:
        words = rng.integers(0, 60, rng.integers(3, 13))
        own = rng.random(len(words)) < 0.34
        words[own] = label * 5 + rng.integers(0, 5, own.sum())
        drawn.append(" ".join(WORDS[i] for i in words))
    return drawn, labels


def labeled(count: int = 9, seed: int = 1) -> datasets.Dataset:
    drawn, labels = texts(count, seed)
    return datasets.Dataset.from_dict({"text": drawn, "label": labels})


def unlabeled(count: int = 40, seed: int = 2) -> datasets.Dataset:
    return datasets.Dataset.from_dict({"text": texts(count, seed)[0]})


def swap_words(example: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    """A strong view that needs no corpus: a third of the words drawn anew."""
    words = [WORDS[rng.integers(60)] if rng.random() < 0.33 else w for w in example["text"].split()]
    return {**example, "text": " ".join(words)}


def model(seed: int = 0, dropout: float = 0.0) -> BertForSequenceClassification:
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=len(WORDS) + len(SPECIAL),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=32,
        num_labels=CLASSES,
        hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout,
        initializer_range=0.2,  # so that views, targets and terms differ visibly
    )
    return BertForSequenceClassification(config)

"""A tiny problem of pairs of texts, read by a tiny BERT whose token types tell the two apart."""

from __future__ import annotations

from functools import cache
from typing import Any

import datasets
import numpy as np
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from tests.contract.tiny_texts import CLASSES, SPECIAL, WORDS, model, texts


COLUMNS = {"text_column": "premise", "text_pair_column": "hypothesis"}


@cache
def tokenizer() -> PreTrainedTokenizerFast:
    """BERT's: [CLS] premise [SEP] hypothesis [SEP], the second text and its mark of type 1."""
    vocabulary = {word: i for i, word in enumerate(SPECIAL + WORDS)}
    fast = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    fast.normalizer = normalizers.BertNormalizer(lowercase=True)
    fast.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    fast.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=fast,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
        model_max_length=32,
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
    )


def dataset(count: int, seed: int, labels: bool = True) -> datasets.Dataset:
    """Pairs whose class is that of the words of both."""
    premises, ids = texts(count, seed)
    hypotheses, _ = texts(count, seed + 100)
    columns: dict[str, Any] = {"premise": premises, "hypothesis": hypotheses}
    return datasets.Dataset.from_dict(columns | ({"label": ids} if labels else {}))


def swap_both(example: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    """A strong view that needs no corpus: a third of the words of both texts drawn anew."""
    changed = dict(example)
    for column in COLUMNS.values():
        words = example[column].split()
        changed[column] = " ".join(WORDS[rng.integers(60)] if rng.random() < 0.33 else word for word in words)
    return changed


def problem(dropout: float = 0.0) -> dict[str, Any]:
    """Arguments of a trainer."""
    assert CLASSES == 3
    return {
        "model": model(dropout=dropout),
        "train_dataset": dataset(9, 1),
        "unlabeled_dataset": dataset(40, 2, labels=False),
        "eval_dataset": dataset(12, 3),
        "processing_class": tokenizer(),
        "augmentations": {"strong": swap_both, "weak_2": swap_both},
    }

"""What the figures are measured on: a BERT of random weights, and texts that all have the same number of tokens."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import datasets
import numpy as np
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast, set_seed

from textssl.augment import Column
from textssl.methods import METHODS
from textssl.training.trainer import SSLTrainer


__all__ = ["SIZES", "Size", "trainer_of"]

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
# Both sides of a comparison run the same rows: every strong one is kept, and inputs are mixed.
SAME_ROWS: dict[str, dict[str, Any]] = {
    "fixmatch": {"threshold": 0.0},
    "uda": {"threshold": 0.0, "tsa": "none"},
    "mixtext": {"mix_at": "input", "mu": 3},
}


@dataclass(frozen=True)
class Size:
    """A model and its batches."""

    layers: int
    width: int
    heads: int
    vocabulary: int
    tokens: int
    labeled: int = 8
    mu: int = 3


SIZES = {"base": Size(12, 768, 12, 30_522, 128), "tiny": Size(2, 32, 2, 205, 16)}


def trainer_of(method: str, size: Size, folder: Path, steps: int, **settings: Any) -> SSLTrainer:
    """A trainer of ``method`` whose every batch has ``labeled`` + ``mu * labeled`` texts of ``tokens`` tokens."""
    kind = METHODS[method]
    config = kind.config_class(
        **{
            "output_dir": str(folder),
            "max_steps": steps,
            "max_length": size.tokens,
            "per_device_train_batch_size": size.labeled,
            "mu": size.mu,
            "bf16": True,
            "save_strategy": "no",
            # The last step is logged whatever is asked for.
            "logging_steps": 10**6,
            "report_to": [],
            "disable_tqdm": True,
            **SAME_ROWS.get(method, {}),
            **settings,
        }
    )
    labeled, unlabeled = _texts(size, 4 * size.labeled, labels=True), _texts(size, 8 * size.mu * size.labeled)
    return kind(
        network(size),
        config,
        labeled,
        unlabeled,
        processing_class=_tokenizer(size),
        augmentations={"strong": Column("strong"), "weak_2": Column("strong")},
    )


def network(size: Size) -> BertForSequenceClassification:
    """The model, its weights drawn from one seed."""
    set_seed(0)
    return BertForSequenceClassification(
        BertConfig(
            vocab_size=size.vocabulary,
            hidden_size=size.width,
            num_hidden_layers=size.layers,
            num_attention_heads=size.heads,
            intermediate_size=4 * size.width,
            max_position_embeddings=max(512, size.tokens),
            num_labels=4,
        )
    )


def _tokenizer(size: Size) -> PreTrainedTokenizerFast:
    words = [f"w{i}" for i in range(size.vocabulary - len(SPECIAL))]
    fast = Tokenizer(models.WordLevel({word: i for i, word in enumerate(SPECIAL + words)}, unk_token="[UNK]"))
    fast.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    fast.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    return PreTrainedTokenizerFast(tokenizer_object=fast, mask_token="[MASK]", model_max_length=size.tokens, **names)


def _texts(size: Size, count: int, labels: bool = False) -> datasets.Dataset:
    rng = np.random.default_rng(count)

    def text() -> str:
        return " ".join(f"w{i}" for i in rng.integers(0, size.vocabulary - len(SPECIAL), size.tokens - 2))

    columns: dict[str, Any] = {name: [text() for _ in range(count)] for name in ("text", "strong")}
    return datasets.Dataset.from_dict(columns | ({"label": [i % 4 for i in range(count)]} if labels else {}))

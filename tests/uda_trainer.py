"""A UDA trainer on the tiny problem of which any argument can be another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import datasets
import torch
from transformers import BertForSequenceClassification

from tests.contract.cases import labeled, model, swap_words, tokenizer, unlabeled
from textssl import UDAConfig, UDATrainer


NAMES = ["bad", "fair", "good"]


def uda(out: Path, **changes: Any) -> UDATrainer:
    """A trainer of which any argument can be another; ``args`` holds settings of the config."""
    settings = {"max_steps": 4, "max_length": 16, "per_device_train_batch_size": 4, "mu": 2, **changes.pop("args", {})}
    given: dict[str, Any] = {
        "model": model(),
        "args": UDAConfig(
            output_dir=str(out), use_cpu=True, report_to=[], disable_tqdm=True, save_strategy="no", **settings
        ),
        "train_dataset": labeled(),
        "unlabeled_dataset": unlabeled(),
        "processing_class": tokenizer(),
        "augmentations": {"strong": swap_words},
    }
    return UDATrainer(**{**given, **changes})


def named_model() -> BertForSequenceClassification:
    network = model()
    network.config.id2label = dict(enumerate(NAMES))
    network.config.label2id = {name: i for i, name in enumerate(NAMES)}
    return network


def table(**columns: list[Any]) -> datasets.Dataset:
    return datasets.Dataset.from_dict(columns)


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)

"""Tiny saved classifiers of each kind, for tests that load them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from transformers import BertForSequenceClassification

from tests.contract import tiny_decoders, tiny_features, tiny_images, tiny_pairs
from tests.contract.tiny_texts import model, tokenizer
from tests.models.tiny_pooled import pooled
from textssl.modalities.text.truncation import as_trained
from textssl.models import Ensemble


NAMES = ("bad", "fair", "good")
LENGTH = 8


def named(network: Any, names: tuple[str, ...] = NAMES) -> Any:
    network.config.id2label = dict(enumerate(names))
    network.config.label2id = {name: number for number, name in enumerate(names)}
    return network


def save_text(folder: Path, network: Any = None, reader: Any = None, truncation: str = "end") -> Path:
    named(model() if network is None else network).save_pretrained(folder)
    as_trained(tokenizer() if reader is None else reader, LENGTH, truncation, token_types=False).save_pretrained(
        folder
    )
    return folder


def save_plain(folder: Path) -> Path:
    return save_text(folder, truncation="start")


def save_pooled(folder: Path) -> Path:
    return save_text(folder, pooled(hidden_sizes=(8,), standardize=False))


def save_ensemble(folder: Path) -> Path:
    return save_text(folder, Ensemble.of([named(model(seed=seed)) for seed in (0, 1)]))


def save_decoder(folder: Path) -> Path:
    network = tiny_decoders.decoder("gpt2")
    network.config.pad_token_id = 0
    return save_text(folder, network, tiny_decoders.tokenizer())


def save_adapters(folder: Path) -> Path:
    base = folder.parent / f"{folder.name}_base"
    named(model()).save_pretrained(base)
    settings = LoraConfig(task_type="SEQ_CLS", r=4, lora_alpha=8, target_modules=["query", "value"])
    adapted = get_peft_model(BertForSequenceClassification.from_pretrained(base), settings)
    torch.manual_seed(5)
    with torch.no_grad():
        for name, value in adapted.named_parameters():
            if "lora_B" in name or "modules_to_save" in name:
                value.normal_(std=0.3)
    adapted.save_pretrained(folder)
    adapted.config.save_pretrained(folder)
    as_trained(tokenizer(), LENGTH, "end").save_pretrained(folder)
    return folder


def save_head_tail(folder: Path) -> Path:
    return save_text(folder, truncation="head_tail")


def save_pairs(folder: Path) -> Path:
    named(model()).save_pretrained(folder)
    as_trained(tiny_pairs.tokenizer(), 14, "end").save_pretrained(folder)
    (folder / "training_args.json").write_text('{"text_column": "premise", "text_pair_column": "hypothesis"}')
    return folder


def save_images(folder: Path) -> Path:
    named(tiny_images.model()).save_pretrained(folder)
    tiny_images.processor().save_pretrained(folder)
    return folder


def save_vectors(folder: Path) -> Path:
    named(tiny_features.model()).save_pretrained(folder)
    return folder

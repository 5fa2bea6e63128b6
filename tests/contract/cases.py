"""A trainer of any method on a tiny problem of any modality."""

from __future__ import annotations

import copy
from dataclasses import fields
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import torch

from tests.contract import tiny_features, tiny_images, tiny_pairs
from tests.contract.knobs import knob
from tests.contract.tiny_texts import CLASSES, WORDS, labeled, model, swap_words, texts, tokenizer, unlabeled
from textssl.augment.image import CTAugment
from textssl.augment.text import TextCTAugment
from textssl.methods import METHODS
from textssl.training.trainer import SSLTrainer


__all__ = ["CLASSES", "WORDS", "build", "first_batch", "has", "labeled", "model", "state_of"]
__all__ += ["swap_words", "texts", "tokenizer", "unlabeled", "variants"]

Variant = tuple[str, str, dict[str, Any]]


def variants() -> list[Variant]:
    """Every method: its defaults in each of its modalities; on text also what its own test lists.

    See ``CONTRACT_DEFAULT``, ``CONTRACT_IMAGE`` and ``CONTRACT_VARIANTS`` in docs/contributing/contract.md.
    """
    found: list[Variant] = []
    for name in METHODS:
        first = knob(name, "CONTRACT_DEFAULT")
        found += [(name, "text", settings) for settings in [first, *knob(name, "CONTRACT_VARIANTS")]]
        image = knob(name, "CONTRACT_IMAGE")
        others = {"image": first if image is None else image, "features": first}
        found += [(name, m, others[m]) for m in METHODS[name].objective_class.modalities if m != "text"]
    # Views that adapt are the trainer's business: one method stands for all.
    return [*found, ("fixmatch", "text", {"ctaugment": True}), ("fixmatch", "image", {"ctaugment": True})]


def has(method: str, field: str) -> bool:
    return field in {f.name for f in fields(METHODS[method].config_class)}


def build(
    method: str,
    out: Path | str,
    modality: str = "text",
    *,
    dropout: float = 0.0,
    given: dict[str, Any] | None = None,
    **settings: Any,
) -> SSLTrainer:
    """A trainer of ``method`` on the tiny problem: 4 steps by default, a checkpoint every second.

    Three settings are no fields of a config: with ``ctaugment`` its strong view is one that adapts, with ``anew`` it
    has ``model_init``, and with ``own_teacher`` a method that needs a teacher's probabilities is not given any.
    ``given`` takes the place of other arguments of the trainer.
    """
    anew = settings.pop("anew", False)
    adapts = settings.pop("ctaugment", False)
    own_teacher = settings.pop("own_teacher", False)
    trainer_class = METHODS[method]
    defaults: dict[str, Any] = {
        "output_dir": str(out),
        "max_steps": 4,
        "per_device_train_batch_size": 4,
        "mu": 2,
        "learning_rate": 0.05,
        "optim": "sgd",
        "lr_scheduler_type": "constant",
        "max_grad_norm": 0.0,
        "use_cpu": True,
        "save_steps": 2,
        "logging_steps": 2,
        "report_to": [],
        "disable_tqdm": True,
    }
    if modality in ("text", "pair"):
        defaults["max_length"] = 16
    if modality == "pair":
        defaults |= tiny_pairs.COLUMNS
    config = trainer_class.config_class(**{**defaults, **settings})
    problem = {**_problem(modality, dropout), **(given or {})}
    if anew:
        first = problem.pop("model")
        problem["model_init"] = lambda: copy.deepcopy(first)
    if adapts:
        strong = CTAugment() if modality == "image" else TextCTAugment.fit(unlabeled()["text"])
        problem["augmentations"] = {**problem.get("augmentations", {}), "strong": strong}
    if trainer_class.objective_class.takes_probs and not own_teacher:
        problem["unlabeled_dataset"] = with_probs(problem["unlabeled_dataset"])
    return trainer_class(**problem, args=config)


def with_probs(dataset: datasets.Dataset) -> datasets.Dataset:
    """The data with what some teacher said of each row, sure and unsure."""
    rng = np.random.default_rng(5)
    probs = rng.dirichlet([0.5] * CLASSES, len(dataset)).astype(np.float32)
    feature = datasets.Sequence(datasets.Value("float32"), length=CLASSES)
    return dataset.add_column("probabilities", list(probs), feature=feature)


def _problem(modality: str, dropout: float) -> dict[str, Any]:
    if modality == "text":
        return {
            "model": model(dropout=dropout),
            "train_dataset": labeled(),
            "unlabeled_dataset": unlabeled(),
            "eval_dataset": labeled(12, seed=3),
            "processing_class": tokenizer(),
            "augmentations": {"strong": swap_words, "weak_2": swap_words},
        }
    if modality == "pair":
        return tiny_pairs.problem(dropout)
    tiny: Any = {"image": tiny_images, "features": tiny_features}[modality]
    return {
        "model": tiny.model(dropout=dropout),
        "train_dataset": tiny.dataset(9, 1),
        "unlabeled_dataset": tiny.dataset(40, 2, labels=False),
        "eval_dataset": tiny.dataset(12, 3),
        "processing_class": tiny_images.processor() if modality == "image" else None,
    }


def first_batch(trainer: SSLTrainer) -> dict[str, Any]:
    """As the objective sees it: what views left to be done is done."""
    batch, collator = next(iter(trainer.get_train_dataloader())), trainer.data_collator
    return trainer.modality.on_device(batch, collator.augmentations, collator.encoded)


def state_of(trainer: SSLTrainer) -> dict[str, torch.Tensor]:
    """All weights and all that the objective remembers."""
    network = trainer.accelerator.unwrap_model(trainer.model)
    state = {f"model.{name}": value for name, value in network.state_dict().items()}
    state |= {f"objective.{name}": value for name, value in trainer.objective.state_dict().items()}
    return {name: value.detach().clone() for name, value in state.items()}

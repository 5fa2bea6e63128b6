"""The stock Trainer and ours on one supervised problem: four examples, all of them in each batch, and no dropout."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import DataCollatorWithPadding, Trainer, TrainingArguments

from tests.contract.tiny_texts import labeled, model, tokenizer
from textssl.methods.supervised import SupervisedConfig, SupervisedTrainer


__all__ = ["both", "ours", "stock", "weights"]

DEFAULTS: dict[str, Any] = {
    "max_steps": 3,
    "per_device_train_batch_size": 4,
    "learning_rate": 0.02,
    "optim": "sgd",
    "use_cpu": True,
    "logging_steps": 1,
    "save_strategy": "no",
    "report_to": [],
    "disable_tqdm": True,
}


def _data(count: int = 4) -> Any:
    return labeled(count)


def ours(out: Path | str, given: dict[str, Any] | None = None, **settings: Any) -> SupervisedTrainer:
    args = SupervisedConfig(**{"output_dir": str(out), "max_length": 16, **DEFAULTS, **settings})
    arguments = {"model": model(), "train_dataset": _data(), "eval_dataset": _data(9), **(given or {})}
    return SupervisedTrainer(args=args, processing_class=tokenizer(), **arguments)


def stock(out: Path | str, given: dict[str, Any] | None = None, **settings: Any) -> Trainer:
    args = TrainingArguments(**{"output_dir": str(out), "logging_nan_inf_filter": False, **DEFAULTS, **settings})
    encode = tokenizer()

    def rows(data: Any) -> Any:
        return data.map(lambda row: encode(row["text"], truncation=True, max_length=16), remove_columns="text")

    arguments: dict[str, Any] = {"model": model(), "train_dataset": _data(), "eval_dataset": _data(9), **(given or {})}
    arguments |= {name: rows(arguments[name]) for name in ("train_dataset", "eval_dataset")}
    return Trainer(args=args, data_collator=DataCollatorWithPadding(encode), processing_class=encode, **arguments)


def both(out: Path, given: Any = None, **settings: Any) -> tuple[SupervisedTrainer, Trainer]:
    """The two, trained. ``given`` makes what either is given besides, for an optimizer is that of one model."""
    pair = [kind(out / kind.__name__, None if given is None else given(), **settings) for kind in (ours, stock)]
    for trainer in pair:
        trainer.train()
    return pair[0], pair[1]  # type: ignore[return-value]


def weights(trainer: Trainer) -> torch.Tensor:
    """All but the biases of keys, which softmax does not see: of their gradient there is only rounding."""
    named = trainer.accelerator.unwrap_model(trainer.model).named_parameters()
    return torch.cat([p.detach().float().flatten() for name, p in named if not name.endswith("key.bias")])

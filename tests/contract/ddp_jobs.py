"""What one process, or each of two, trains; what it returns is compared."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model

from tests.contract.cases import build, model, state_of
from textssl.errors import UserError
from textssl.training.trainer import SSLTrainer


def trained(method: str, modality: str, settings: dict[str, Any], out: Path | str, batch: int) -> dict[str, Any]:
    """The state after 4 steps."""
    return _state_after(_trainer(method, out, modality, batch, **settings))


def trained_adapters(out: Path | str, batch: int) -> dict[str, torch.Tensor]:
    """The same of a student with adapters and its teacher."""
    lora = LoraConfig(task_type="SEQ_CLS", r=4, target_modules=["query", "value"])
    return _state_after(_trainer("mean_teacher", out, "text", batch, given={"model": get_peft_model(model(), lora)}))


def stopped(out: Path | str, batch: int) -> str:
    """What a run says whose loss is not finite, on the last process alone."""
    trainer = _trainer("fixmatch", out, "text", batch)
    if trainer.args.process_index == trainer.args.world_size - 1:
        original, trainer.objective.loss = trainer.objective.loss, lambda *a: _not_finite(original(*a))
    try:
        trainer.train()
    except UserError as error:
        return str(error)
    return ""


def _trainer(method: str, out: Path | str, modality: str, batch: int, **settings: Any) -> SSLTrainer:
    backend = "gloo" if "LOCAL_RANK" in os.environ else None
    common = {"per_device_train_batch_size": batch, "save_strategy": "no", "ddp_backend": backend}
    return build(method, out, modality, **{**common, **settings})


def _state_after(trainer: SSLTrainer) -> dict[str, torch.Tensor]:
    trainer.train()
    return state_of(trainer)


def _not_finite(terms: dict[str, Any]) -> dict[str, Any]:
    return {**terms, "loss": terms["loss"] * float("nan")}

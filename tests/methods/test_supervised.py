"""Supervised: its loss is the cross entropy that one computes by hand."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch

from tests.contract.cases import build, first_batch


# At one rate these are the method's own steps.
CONTRACT_FIELDS: dict[str, Any] = {"warm_start_steps": (1, 0, {"max_steps": 3, "warm_start_learning_rate": 0.2})}


def test_loss_is_mean_cross_entropy(tmp_path: Path) -> None:
    trainer = build("supervised", tmp_path)
    batch = first_batch(trainer)
    assert "unlabeled" not in batch
    trainer.model.train()
    loss = trainer.objective.loss(trainer.forward_for(trainer.model), batch, 0.0)["loss"]
    view = batch["labeled"]["weak"]
    total = 0.0
    for i, label in enumerate(batch["labeled"]["labels"].tolist()):
        n = view["lengths"][i]
        with torch.no_grad():
            logits = trainer.model(input_ids=view["input_ids"][i : i + 1, :n]).logits[0].tolist()
        total += math.log(sum(math.exp(z) for z in logits)) - logits[label]
    assert abs(loss.item() - total / 4) < 1e-5


def test_an_epoch_is_a_pass_over_the_labeled_data(tmp_path: Path) -> None:
    trainer = build("supervised", tmp_path, max_steps=-1, num_train_epochs=2, per_device_train_batch_size=3)
    assert trainer.train().global_step == 6

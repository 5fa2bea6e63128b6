"""Distillation's loss: a golden value, a naive loop, limits of alpha and tau."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from tests.contract.cases import build, first_batch
from tests.methods.naive import cross_entropy, logits_of, softmax
from textssl import DistillationConfig, UserError
from textssl.methods.distillation import Distillation
from textssl.objective import Task


CONTRACT_VARIANTS = [{"teacher_weight": 0.5, "temperature": 2.0}]
CONTRACT_FIELDS = {"teacher_weight": (1.0, 0.3), "temperature": (0.4, 1.0)}


def terms(trainer: Any, batch: dict[str, Any]) -> dict[str, torch.Tensor]:
    trainer.model.train()
    return trainer.objective.loss(trainer.forward_for(trainer.model), batch, 0.5)


def test_a_value_worked_by_hand(tmp_path: Path) -> None:
    """tau 2, teacher logits (2, 1, 0), student logits (1, 1, 0): tau^2 CE = 4.2047."""
    config = DistillationConfig(output_dir=str(tmp_path), temperature=2.0)
    objective = Distillation(config, Task(3, 1, 1, (1 / 3,) * 3))
    unlabeled = {"weak": None, "probs": torch.tensor([[2.0, 1.0, 0.0]]).softmax(-1)}
    got = objective.loss(
        lambda *views: [torch.tensor([[1.0, 1.0, 0.0]])], {"labeled": {}, "unlabeled": unlabeled}, 0.0
    )
    teacher = [math.exp(v / 2) for v in (2, 1, 0)]
    student = [math.exp(v / 2) for v in (1, 1, 0)]
    worked = -4 * sum(t / sum(teacher) * math.log(s / sum(student)) for t, s in zip(teacher, student, strict=True))
    assert worked == pytest.approx(4.2047, abs=5e-5)
    assert got["loss"].item() == pytest.approx(worked, abs=1e-5)


@pytest.mark.parametrize("modality", ["text", "image", "features"])
def test_terms_equal_the_formula(modality: str, tmp_path: Path) -> None:
    trainer = build("distillation", tmp_path, modality, teacher_weight=0.3, temperature=2.0)
    batch = first_batch(trainer)
    got = terms(trainer, batch)
    labeled, unlabeled = batch["labeled"], batch["unlabeled"]
    rows = zip(logits_of(trainer, labeled["weak"]), labeled["labels"].tolist(), strict=True)
    supervised = sum(cross_entropy(z, y) for z, y in rows) / 4
    unsupervised = 0.0
    for z, p in zip(logits_of(trainer, unlabeled["weak"]), unlabeled["probs"].tolist(), strict=True):
        soft = [v**0.5 / sum(w**0.5 for w in p) for v in p]
        unsupervised -= 4 * sum(t * math.log(s) for t, s in zip(soft, softmax(z, 2.0), strict=True)) / 8
    assert got["supervised"].item() == pytest.approx(supervised, abs=1e-5)
    assert got["unsupervised"].item() == pytest.approx(unsupervised, abs=1e-5)
    assert got["loss"].item() == pytest.approx(0.7 * supervised + 0.3 * unsupervised, abs=1e-5)


def test_the_labels_term_is_plain_cross_entropy_at_every_temperature(tmp_path: Path) -> None:
    """Logits (1, 1, 0), class 0: log(2 + 1/e) = 0.86199; at tau 2 and times 4 it would be 3.8228."""
    for tau in (0.5, 1.0, 2.0):
        config = DistillationConfig(output_dir=str(tmp_path), teacher_weight=0.25, temperature=tau)
        objective = Distillation(config, Task(3, 1, 1, (1 / 3,) * 3))
        z = torch.tensor([[1.0, 1.0, 0.0]])
        batch = {
            "labeled": {"weak": None, "labels": torch.tensor([0])},
            "unlabeled": {"weak": None, "probs": torch.tensor([[0.2, 0.3, 0.5]])},
        }
        got = objective.loss(lambda *views, z=z: [z] * len(views), batch, 0.0)
        assert got["supervised"].item() == pytest.approx(0.861995, abs=1e-5)
        assert got["loss"].item() == pytest.approx(0.75 * 0.861995 + 0.25 * got["unsupervised"].item(), abs=1e-5)


def test_the_teacher_alone_costs_no_labeled_forward(tmp_path: Path) -> None:
    trainer = build("distillation", tmp_path)
    rows = []
    trainer.model.register_forward_hook(lambda module, args, out: rows.append(len(out.logits)))
    got = terms(trainer, first_batch(trainer))
    assert sum(rows) == 8
    assert got["loss"].item() == got["unsupervised"].item()


def test_the_labels_alone_are_supervised_training(tmp_path: Path) -> None:
    trainer = build("distillation", tmp_path, teacher_weight=0.0)
    batch = first_batch(trainer)
    labeled = batch["labeled"]
    expected = nn.functional.cross_entropy(torch.tensor(logits_of(trainer, labeled["weak"])), labeled["labels"])
    assert terms(trainer, batch)["loss"].item() == pytest.approx(expected.item(), abs=1e-5)


def test_the_gradient_hardly_depends_on_a_high_temperature(tmp_path: Path) -> None:
    """For tau -> infinity tau^2 CE tends to half the squared distance of centred logits, over C (Hinton, eq. 4)."""
    z, t = torch.tensor([[1.0, -2.0, 0.5]], requires_grad=True), torch.tensor([[0.3, 0.2, -0.5]])
    config = DistillationConfig(output_dir=str(tmp_path), temperature=500.0)
    objective = Distillation(config, Task(3, 1, 1, (1 / 3,) * 3))
    batch = {"labeled": {}, "unlabeled": {"weak": None, "probs": t.softmax(-1)}}
    objective.loss(lambda *views: [z], batch, 0.0)["loss"].backward()
    centred = (z.detach() - z.detach().mean()) - (t - t.mean())
    torch.testing.assert_close(z.grad, centred / 3, atol=5e-3, rtol=2e-2)


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"teacher_weight": 1.5}, "teacher_weight: got 1.5"), ({"temperature": 0.0}, "temperature: got 0.0")],
)
def test_settings_out_of_range(settings: dict, message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message):
        DistillationConfig(output_dir=str(tmp_path), **settings)

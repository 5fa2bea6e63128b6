"""Pseudo-Label against a naive loop, Lee's ramp by hand, and its bond to entropy minimisation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.contract.cases import build, first_batch
from tests.methods.naive import cross_entropy, logits_of, softmax
from textssl import UserError


CONTRACT_VARIANTS = [{"threshold": 0.0, "unlabeled_weight": 3.0, "rampup_start": 0.1, "rampup": 0.6}]
CONTRACT_FIELDS = {"mu": (2, 1), "rampup_start": (0.0, 0.3)}


def terms(trainer: Any, batch: dict[str, Any], progress: float = 0.5) -> dict[str, torch.Tensor]:
    trainer.model.train()
    return trainer.objective.loss(trainer.forward_for(trainer.model), batch, progress)


@pytest.mark.parametrize("modality", ["text", "image", "features"])
@pytest.mark.parametrize("threshold", [0.0, 0.6, 0.95, 1.0])
def test_terms_equal_the_formula(modality: str, threshold: float, tmp_path: Path) -> None:
    trainer = build("pseudo_label", tmp_path, modality, threshold=threshold)
    batch = first_batch(trainer)
    got = terms(trainer, batch)
    total = 0.0
    unlabeled = logits_of(trainer, batch["unlabeled"]["weak"])
    for z in unlabeled:
        p = softmax(z)
        if max(p) > threshold:
            total += cross_entropy(z, p.index(max(p)))
    labels = batch["labeled"]["labels"].tolist()
    losses = [cross_entropy(z, y) for z, y in zip(logits_of(trainer, batch["labeled"]["weak"]), labels, strict=True)]
    assert got["unsupervised"].item() == pytest.approx(total / len(unlabeled), abs=1e-5)
    assert got["supervised"].item() == pytest.approx(sum(losses) / len(losses), abs=1e-5)


@pytest.mark.parametrize(
    ("progress", "weight"), [(0.0, 0.0), (0.05, 0.0), (0.1, 0.0), (0.2, 0.6), (0.35, 1.5), (0.6, 3.0), (0.9, 3.0)]
)
def test_lees_ramp(progress: float, weight: float, tmp_path: Path) -> None:
    """Equation 16 with T1, T2 and alpha_f: 3 (t - T1) / (T2 - T1) between them."""
    trainer = build("pseudo_label", tmp_path, threshold=0.0, unlabeled_weight=3.0, rampup_start=0.1, rampup=0.6)
    got = terms(trainer, first_batch(trainer), progress)
    assert got["weight"].item() == pytest.approx(weight, abs=1e-6)
    expected = got["supervised"] + weight * got["unsupervised"]
    torch.testing.assert_close(got["loss"], expected)


def test_a_step_in_place_of_a_ramp(tmp_path: Path) -> None:
    trainer = build("pseudo_label", tmp_path, rampup_start=0.5, rampup=0.5)
    batch = first_batch(trainer)
    assert [terms(trainer, batch, t)["weight"].item() for t in (0.0, 0.49, 0.5, 1.0)] == [0.0, 0.0, 1.0, 1.0]


def test_no_gradient_through_the_label(tmp_path: Path) -> None:
    """d CE(k, z) / dz = p - e_k for the constant label k, by hand, on the head's bias."""
    trainer = build("pseudo_label", tmp_path, threshold=0.0)
    batch = first_batch(trainer)
    terms(trainer, batch)["unsupervised"].backward()
    expected = torch.zeros(3)
    for z in logits_of(trainer, batch["unlabeled"]["weak"]):
        p = softmax(z)
        expected += (torch.tensor(p) - torch.eye(3)[p.index(max(p))]) / 8
    torch.testing.assert_close(trainer.model.classifier.bias.grad, expected, atol=1e-5, rtol=1e-4)


def test_confident_gradients_point_where_entropy_falls() -> None:
    """For a confident prediction the hard label's gradient is nearly a multiple of the entropy's."""
    z = torch.tensor([6.0, 0.0], dtype=torch.float64, requires_grad=True)
    p = z.softmax(0)
    (entropy,) = torch.autograd.grad(-(p * p.log()).sum(), z)
    hard = p.detach() - torch.tensor([1.0, 0.0])
    assert torch.nn.functional.cosine_similarity(entropy, hard, dim=0) > 0.999


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"threshold": -0.5}, "threshold: got -0.5"),
        ({"unlabeled_weight": -1.0}, "unlabeled_weight: got -1.0"),
        ({"rampup_start": 0.6, "rampup": 0.2}, "rampup: got 0.2; expected rampup_start, 0.6, or more"),
        ({"rampup": 1.2}, "rampup: got 1.2"),
    ],
)
def test_settings_out_of_range_are_named(settings: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message):
        build("pseudo_label", tmp_path, **settings)

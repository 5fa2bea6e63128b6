"""Noisy Student's loss against a naive loop, its limits, and its settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.contract import tiny_images
from tests.contract.cases import build, first_batch
from tests.methods.naive import Row, cross_entropy, logits_of, softmax
from textssl import NoisyStudentConfig, UserError


# Which blocks are dropped is drawn anew in each process.
CONTRACT_IMAGE = {"survival": 1.0}
# Smoothing gives weight to classes that nothing is near to.
CONTRACT_VARIANTS = [
    {"hard_labels": True, "label_smoothing_factor": 0.0, "unlabeled_weight": 0.5, "noise_labeled": True}
]
CONTRACT_FIELDS_WITH = {"rounds": 2}
CONTRACT_FIELDS: dict[str, Any] = {
    "balance": ("none", "duplicate", {"own_teacher": True, "max_steps": 3}),
    "hard_labels": (False, True),
    "noise_labeled": (False, True),
    "per_class": (None, 2, {"own_teacher": True, "max_steps": 3}),
    "survival": (1.0, 0.3, {"modality": "image"}),
    "threshold": (0.0, 0.6, {"own_teacher": True, "max_steps": 3}),
}


def terms(trainer: Any, batch: dict[str, Any]) -> dict[str, torch.Tensor]:
    trainer.model.train()
    return trainer.objective.loss(trainer.forward_for(trainer.model), batch, 0.5)


def soft_cross_entropy(z: Row, target: Row, smoothing: float = 0.0) -> float:
    return sum(
        ((1 - smoothing) * t + smoothing / len(z)) * cross_entropy(z, c)
        for c, t in enumerate(target)
        if t or smoothing
    )


def sharpened(p: Row, temperature: float) -> Row:
    powers = [v ** (1 / temperature) for v in p]
    return [v / sum(powers) for v in powers]


@pytest.mark.parametrize("modality", ["text", "image", "features"])
@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_terms_equal_the_formula(modality: str, temperature: float, tmp_path: Path) -> None:
    trainer = build("noisy_student", tmp_path, modality, temperature=temperature, survival=1.0)
    batch = first_batch(trainer)
    got = terms(trainer, batch)
    labeled, unlabeled = batch["labeled"], batch["unlabeled"]
    # By default images alone have noised labeled examples.
    view = labeled["strong" if modality == "image" else "weak"]
    one_hot = [[float(c == y) for c in range(3)] for y in labeled["labels"].tolist()]
    supervised = [soft_cross_entropy(z, t, 0.1) for z, t in zip(logits_of(trainer, view), one_hot, strict=True)]
    rows = zip(logits_of(trainer, unlabeled["strong"]), unlabeled["probs"].tolist(), strict=True)
    unsupervised = [soft_cross_entropy(z, sharpened(p, temperature)) for z, p in rows]
    assert got["supervised"].item() == pytest.approx(sum(supervised) / 4, abs=1e-5)
    assert got["unsupervised"].item() == pytest.approx(sum(unsupervised) / 8, abs=1e-5)
    # mu is 2: the unlabeled loss weighs as much as the authors', a sum over the unlabeled divided by B.
    assert got["loss"].item() == pytest.approx(sum(supervised) / 4 + sum(unsupervised) / 4, abs=1e-5)


def test_hard_labels_are_the_likeliest_class_smoothed(tmp_path: Path) -> None:
    trainer = build("noisy_student", tmp_path, hard_labels=True)
    batch = first_batch(trainer)
    probs = batch["unlabeled"]["probs"].tolist()
    rows = zip(logits_of(trainer, batch["unlabeled"]["strong"]), probs, strict=True)
    expected = [soft_cross_entropy(z, [float(c == p.index(max(p))) for c in range(3)], 0.1) for z, p in rows]
    assert terms(trainer, batch)["unsupervised"].item() == pytest.approx(sum(expected) / 8, abs=1e-5)


def test_a_cold_teacher_is_a_hard_one(tmp_path: Path) -> None:
    """tau -> 0 of soft labels tends to hard labels without smoothing."""
    cold = build("noisy_student", tmp_path / "a", temperature=0.01)
    hard = build("noisy_student", tmp_path / "b", hard_labels=True, label_smoothing_factor=0.0)
    batch = first_batch(hard)
    assert terms(cold, batch)["unsupervised"].item() == pytest.approx(
        terms(hard, batch)["unsupervised"].item(), abs=1e-3
    )


def test_a_student_that_says_what_its_teacher_says_has_no_gradient(tmp_path: Path) -> None:
    trainer = build("noisy_student", tmp_path)
    batch = first_batch(trainer)
    own = [softmax(z) for z in logits_of(trainer, batch["unlabeled"]["strong"])]
    batch["unlabeled"]["probs"] = torch.tensor(own)
    terms(trainer, batch)["unsupervised"].backward()
    for parameter in trainer.model.parameters():
        assert parameter.grad.abs().max() < 1e-5


def test_blocks_are_dropped_in_training_and_never_in_evaluation(tmp_path: Path) -> None:
    trainer = build("noisy_student", tmp_path, "image", survival=0.2)
    batch = first_batch(trainer)
    torch.manual_seed(0)
    first, again = (terms(trainer, batch)["unsupervised"].item() for _ in range(2))
    assert first != again
    trainer.model.eval()
    before = trainer.model(tiny_pixels(trainer)).logits
    assert torch.equal(before, trainer.model(tiny_pixels(trainer)).logits)
    trainer.train()
    assert not any(module._forward_hooks for module in trainer.model.modules())


def tiny_pixels(trainer: Any) -> torch.Tensor:
    return tiny_images.processor()(tiny_images.images(3, 0)[0], return_tensors="pt")["pixel_values"]


def test_blocks_cannot_be_dropped_from_a_text_model(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"survival: got 0\.5; it is for images"):
        build("noisy_student", tmp_path, survival=0.5)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rounds": 0}, "rounds: got 0"),
        ({"temperature": 0.0}, "temperature: got 0.0"),
        ({"threshold": 1.1}, "threshold: got 1.1"),
        ({"per_class": 0}, "per_class: got 0"),
        ({"balance": "even"}, "balance: got 'even'; allowed"),
        ({"survival": 0.0}, "survival: got 0.0"),
        ({"unlabeled_weight": -1.0}, "unlabeled_weight: got -1.0"),
        ({"student_init": "old"}, "student_init: got 'old'; allowed: fresh, continued"),
        ({"teacher_steps": 0}, "teacher_steps: got 0"),
        ({"teacher_learning_rate": 0.0}, "teacher_learning_rate: got 0.0"),
    ],
)
def test_settings_out_of_range(settings: dict, message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message):
        NoisyStudentConfig(output_dir=str(tmp_path), **settings)

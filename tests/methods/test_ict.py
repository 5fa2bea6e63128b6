"""ICT against a naive loop written from equation 4, and at the ends of its mixing coefficient."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.contract.cases import build, first_batch
from tests.methods.naive import cross_entropy, logits_of, softmax, squared_error
from textssl import UserError
from textssl import functional as F


CONTRACT_VARIANTS = [{"per_example": True, "mix_labeled": True, "mix": "logits", "alpha": 0.5}]
CONTRACT_FIELDS = {"mix": ("probs", "logits"), "mix_labeled": (False, True)}


def terms(trainer: Any, batch: dict[str, Any], progress: float = 0.5) -> dict[str, torch.Tensor]:
    torch.manual_seed(5)
    trainer.model.train()
    return trainer.objective.loss(trainer.forward_for(trainer.model), batch, progress)


def drawn(monkeypatch: pytest.MonkeyPatch, coefficient: float, partners: list[int]) -> None:
    """Choose what is random."""
    monkeypatch.setattr(F, "mixup_coefficients", lambda alpha, size, fold: torch.full((size,), coefficient))
    monkeypatch.setattr(torch, "randperm", lambda size: torch.tensor(partners))


def moved_teacher(trainer: Any) -> Any:
    teacher = trainer.objective.teacher.model
    with torch.no_grad():
        for number, parameter in enumerate(teacher.parameters()):
            parameter.mul_(1 + 0.02 * (number % 5))
    return teacher


PARTNERS = [3, 0, 1, 2, 7, 6, 5, 4]


@pytest.mark.parametrize("mix", ["probs", "logits"])
@pytest.mark.parametrize("modality", ["image", "features"])
def test_term_equals_the_formula(mix: str, modality: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = build("ict", tmp_path, modality, mix=mix)
    teacher, batch = moved_teacher(trainer), first_batch(trainer)
    view = batch["unlabeled"]["weak"]
    (name,) = {"pixel_values", "features"} & view.keys()
    drawn(monkeypatch, 0.3, PARTNERS)
    got = terms(trainer, batch)
    z = logits_of(trainer, view, teacher)
    mixed = {**view, name: torch.stack([0.3 * view[name][i] + 0.7 * view[name][j] for i, j in enumerate(PARTNERS)])}
    expected = 0.0
    for i, student in enumerate(logits_of(trainer, mixed)):
        a, b = z[i], z[PARTNERS[i]]
        if mix == "probs":
            target = [0.3 * p + 0.7 * q for p, q in zip(softmax(a), softmax(b), strict=True)]
        else:
            target = softmax([0.3 * p + 0.7 * q for p, q in zip(a, b, strict=True)])
        expected += squared_error(softmax(student), target) / 8
    labels = batch["labeled"]["labels"].tolist()
    losses = [cross_entropy(z, y) for z, y in zip(logits_of(trainer, batch["labeled"]["weak"]), labels, strict=True)]
    assert expected > 1e-4
    assert got["unsupervised"].item() == pytest.approx(expected, rel=1e-4)
    assert got["supervised"].item() == pytest.approx(sum(losses) / len(losses), abs=1e-5)
    # K = 3 classes, half of training done, the ramp over by then.
    assert got["weight"].item() == pytest.approx(3.0)


def test_text_mixes_word_embeddings_under_the_union_of_masks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = build("ict", tmp_path)
    teacher, batch = moved_teacher(trainer), first_batch(trainer)
    view = batch["unlabeled"]["weak"]
    lengths = view["lengths"]
    assert len(set(lengths)) > 1
    drawn(monkeypatch, 0.3, PARTNERS)
    got = terms(trainer, batch)["unsupervised"].item()
    words = trainer.model.bert.embeddings.word_embeddings.weight.detach()[view["input_ids"]]
    z = [softmax(row) for row in logits_of(trainer, view, teacher)]
    expected = 0.0
    for i, j in enumerate(PARTNERS):
        longer = max(lengths[i], lengths[j])
        with torch.no_grad():
            mixed = (0.3 * words[i] + 0.7 * words[j])[None, :longer]
            student = trainer.model(inputs_embeds=mixed).logits[0].tolist()
        target = [0.3 * p + 0.7 * q for p, q in zip(z[i], z[j], strict=True)]
        expected += squared_error(softmax(student), target) / 8
    assert got == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("modality", ["text", "image"])
def test_with_coefficient_one_it_is_mean_teacher_without_noise(
    modality: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = build("ict", tmp_path, modality)
    batch = first_batch(trainer)
    # A text's partner is itself: the mask of another, longer one would show the text's own padding.
    drawn(monkeypatch, 1.0, PARTNERS if modality == "image" else list(range(8)))
    # The teacher begins as a copy of the student.
    assert terms(trainer, batch)["unsupervised"].item() == pytest.approx(0.0, abs=1e-10)
    teacher = moved_teacher(trainer)
    view = batch["unlabeled"]["weak"]
    pairs = zip(logits_of(trainer, view), logits_of(trainer, view, teacher), strict=True)
    expected = sum(squared_error(softmax(a), softmax(b)) for a, b in pairs) / 8
    assert expected > 1e-5
    assert terms(trainer, batch)["unsupervised"].item() == pytest.approx(expected, rel=1e-3)


def test_labeled_examples_may_be_mixed_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mixup's loss is linear in the label: l CE(y_i) + (1 - l) CE(y_j) on the mixed input."""
    trainer = build("ict", tmp_path, "features", mix_labeled=True, mu=1)
    batch = first_batch(trainer)
    partners = [1, 2, 3, 0]
    drawn(monkeypatch, 0.8, partners)
    got = terms(trainer, batch)["supervised"].item()
    x, y = batch["labeled"]["weak"]["features"], batch["labeled"]["labels"].tolist()
    mixed = {
        **batch["labeled"]["weak"],
        "features": torch.stack([0.8 * x[i] + 0.2 * x[j] for i, j in enumerate(partners)]),
    }
    expected = 0.0
    for i, z in enumerate(logits_of(trainer, mixed)):
        expected += (0.8 * cross_entropy(z, y[i]) + 0.2 * cross_entropy(z, y[partners[i]])) / 4
    assert got == pytest.approx(expected, abs=1e-5)


def test_one_coefficient_for_the_batch_unless_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    draw = F.mixup_coefficients
    monkeypatch.setattr(
        F,
        "mixup_coefficients",
        lambda alpha, size, fold: (asked.append((alpha, size, fold)), draw(alpha, size, fold))[1],
    )
    for per_example in (False, True):
        trainer = build("ict", tmp_path, "features", per_example=per_example, alpha=0.7)
        terms(trainer, first_batch(trainer))
    assert asked == [(0.7, 1, False), (0.7, 8, False)]


def test_the_weight_ramps_by_a_sigmoid(tmp_path: Path) -> None:
    trainer = build("ict", tmp_path, "features", unlabeled_weight=2.0, rampup=0.5)
    batch = first_batch(trainer)
    for progress, share in ((0.0, math.exp(-5)), (0.25, math.exp(-5 / 4)), (0.5, 1.0), (0.9, 1.0)):
        assert terms(trainer, batch, progress)["weight"].item() == pytest.approx(2 * share)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("alpha", 0.0),
        ("alpha", -1.0),
        ("mix", "pixels"),
        ("teacher_decay", 1.0),
        ("rampup", -0.1),
        ("unlabeled_weight", -1.0),
    ],
)
def test_settings_out_of_range_are_named(field: str, value: Any, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"{field}: got {value!r}"):
        build("ict", tmp_path, **{field: value})

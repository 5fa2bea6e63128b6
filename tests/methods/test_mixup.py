"""mixup against a naive loop, and at the ends of its coefficient."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.contract.cases import build, first_batch
from tests.methods.mixed import blend, coefficients, known_draws, mixed_logits, one_hot, partners, rows_of
from tests.methods.naive import cross_entropy, logits_of, softmax
from textssl import MixupConfig, UserError
from textssl import functional as F


CONTRACT_VARIANTS: list[dict[str, Any]] = [
    {"mix_at": "pooled"},
    {"mix_at": "hidden", "per_example": True, "alpha": 0.5},
]


def terms(trainer: Any, batch: dict[str, Any]) -> dict[str, torch.Tensor]:
    trainer.model.train()
    return trainer.objective.loss(trainer.forward_for(trainer.model), batch, 0.5)


def soft(z: list[float], target: list[float]) -> float:
    return sum(t * cross_entropy(z, c) for c, t in enumerate(target))


@pytest.mark.parametrize("per_example", [False, True])
@pytest.mark.parametrize("modality", ["text", "image", "features"])
def test_loss_equals_the_formula(
    modality: str, per_example: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """l CE(y_i) + (1 - l) CE(y_j) on the mixed input; wordMixup on text."""
    trainer = build("mixup", tmp_path, modality, per_example=per_example, alpha=0.4)
    batch = first_batch(trainer)
    rows, labels = rows_of(batch["labeled"]["weak"]), batch["labeled"]["labels"].tolist()
    asked = known_draws(monkeypatch)
    got = terms(trainer, batch)
    shares = coefficients(4, False) if per_example else coefficients(1, False) * 4
    expected = 0.0
    for i, (j, share) in enumerate(zip(partners(4), shares, strict=True)):
        z = mixed_logits(trainer.model, rows[i], rows[j], share)
        expected += (share * cross_entropy(z, labels[i]) + (1 - share) * cross_entropy(z, labels[j])) / 4
    assert got["loss"].item() == pytest.approx(expected, abs=1e-5)
    assert got["supervised"] is got["loss"]
    assert asked == [(0.4, 4 if per_example else 1, False)]


def test_senmixup_mixes_the_vector_before_the_last_layer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = build("mixup", tmp_path, mix_at="pooled")
    batch = first_batch(trainer)
    rows, labels = rows_of(batch["labeled"]["weak"]), batch["labeled"]["labels"].tolist()
    known_draws(monkeypatch)
    got = terms(trainer, batch)["loss"].item()
    (share,) = coefficients(1, False)
    expected = 0.0
    with torch.no_grad():
        vectors = [trainer.model.bert(**row).pooler_output for row in rows]
        for i, j in enumerate(partners(4)):
            z = trainer.model.classifier(share * vectors[i] + (1 - share) * vectors[j])[0].tolist()
            expected += soft(z, blend(one_hot(labels[i]), one_hot(labels[j]), share)) / 4
    assert got == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("mix_at", ["input", "hidden", "pooled"])
def test_with_coefficient_one_it_is_supervised_training(
    mix_at: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = build("mixup", tmp_path, mix_at=mix_at)
    batch = first_batch(trainer)
    monkeypatch.setattr(F, "mixup_coefficients", lambda alpha, size, fold: torch.ones(size))
    # Its own partner: the mask of another, longer text would show the text's own padding.
    monkeypatch.setattr(torch, "randperm", torch.arange)
    rows = zip(logits_of(trainer, batch["labeled"]["weak"]), batch["labeled"]["labels"].tolist(), strict=True)
    expected = sum(cross_entropy(z, y) for z, y in rows) / 4
    assert terms(trainer, batch)["loss"].item() == pytest.approx(expected, abs=1e-5)


def test_half_and_half_of_swapped_rows_give_one_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At 1/2 a pair and its mirror image are the same point: their predictions agree."""
    trainer = build("mixup", tmp_path, "features")
    batch = first_batch(trainer)
    monkeypatch.setattr(F, "mixup_coefficients", lambda alpha, size, fold: torch.full((size,), 0.5))
    monkeypatch.setattr(torch, "randperm", lambda size: torch.tensor([1, 0, 3, 2]))
    labels = batch["labeled"]["labels"].tolist()
    rows = rows_of(batch["labeled"]["weak"])
    expected = 0.0
    for i, j in ((0, 1), (2, 3)):
        z = mixed_logits(trainer.model, rows[i], rows[j], 0.5)
        expected += (cross_entropy(z, labels[i]) + cross_entropy(z, labels[j])) / 4
    assert terms(trainer, batch)["loss"].item() == pytest.approx(expected, abs=1e-5)


def test_labels_are_smoothed_before_they_are_mixed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = build("mixup", tmp_path, "features", label_smoothing_factor=0.3)
    batch = first_batch(trainer)
    monkeypatch.setattr(F, "mixup_coefficients", lambda alpha, size, fold: torch.ones(size))
    expected = 0.0
    for z, y in zip(logits_of(trainer, batch["labeled"]["weak"]), batch["labeled"]["labels"].tolist(), strict=True):
        target = [0.1 + 0.7 * t for t in one_hot(y)]
        expected += soft(z, target) / 4
        assert sum(softmax(z)) == pytest.approx(1)
    assert terms(trainer, batch)["loss"].item() == pytest.approx(expected, abs=1e-5)


def test_unlabeled_data_are_not_asked_for(tmp_path: Path) -> None:
    trainer = build("mixup", tmp_path, "features")
    assert "unlabeled" not in first_batch(trainer)


@pytest.mark.parametrize(
    ("field", "value"), [("alpha", 0.0), ("alpha", -2.0), ("mix_at", "tokens"), ("mix_layers", [])]
)
def test_settings_out_of_range_are_named(field: str, value: Any, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=rf"{field}: got "):
        build("mixup", tmp_path, **{field: value})


def test_layers_out_of_range_and_without_use_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"mix_layers: got 3; expected numbers from 1 to 2"):
        build("mixup", tmp_path, mix_at="hidden", mix_layers=[1, 3])
    with pytest.raises(UserError, match=r"mix_layers: got \[1\]; mix_at is 'input'"):
        build("mixup", tmp_path, mix_layers=[1])
    with pytest.raises(UserError, match=r"mix_at: got 'hidden'"):
        build("mixup", tmp_path, "features", mix_at="hidden")


def test_a_model_that_will_be_compiled_is_not_reached_into(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"torch_compile: got True; mix_at='hidden' reaches inside"):
        build("mixup", tmp_path, mix_at="hidden", torch_compile=True)
    with pytest.raises(UserError, match=r"torch_compile: got True; pretext='rotation' reaches inside"):
        build("remixmatch", tmp_path, "image", torch_compile=True)


def test_layers_that_would_run_again_unmixed_are_refused(tmp_path: Path) -> None:
    known = MixupConfig.__dataclass_fields__
    flag = "activation_checkpointing" if "activation_checkpointing" in known else "gradient_checkpointing"
    with pytest.raises(UserError, match=r"gradient_checkpointing: got True"):
        build("mixup", tmp_path, mix_at="hidden", **{flag: True})

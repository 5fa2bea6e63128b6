"""MixMatch against a naive loop written from equations 6 to 11, and at the limits of its settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.contract.cases import build, first_batch
from tests.methods.mixed import blend, coefficients, known_draws, mixed_logits, one_hot, partners, rows_of
from tests.methods.naive import Row, cross_entropy, logits_of, softmax, squared_error
from textssl import UserError
from textssl import functional as F


CONTRACT_VARIANTS: list[dict[str, Any]] = [
    {"num_weak": 1, "mix_at": "hidden", "mix_layers": [1], "ema_decay": 0.0, "target_dropout": False}
]


def terms(trainer: Any, batch: dict[str, Any], progress: float = 0.5) -> dict[str, torch.Tensor]:
    trainer.model.train()
    return trainer.objective.loss(trainer.forward_for(trainer.model), batch, progress)


def guess(trainer: Any, views: list[dict[str, Any]], temperature: float) -> list[Row]:
    """Mean over views, then each row to the power 1/T."""
    guesses = []
    for logits in zip(*[logits_of(trainer, view) for view in views], strict=True):
        probs = [softmax(z) for z in logits]
        mean = [sum(p[c] for p in probs) / len(probs) for c in range(3)]
        powers = [p ** (1 / temperature) for p in mean]
        guesses.append([p / sum(powers) for p in powers])
    return guesses


def naive(trainer: Any, batch: dict[str, Any], temperature: float, layer: int | None = None) -> tuple[float, float]:
    """Both terms, one mixed row at a time."""
    labeled, unlabeled = batch["labeled"], batch["unlabeled"]
    views = [view for view in unlabeled.values() if isinstance(view, dict)]
    guesses = guess(trainer, views, temperature)
    rows = rows_of(labeled["weak"], *views)
    targets = [one_hot(y) for y in labeled["labels"].tolist()] + guesses * len(views)
    count, labels = len(rows), len(labeled["labels"])
    supervised = unsupervised = 0.0
    for i, (j, share) in enumerate(zip(partners(count), coefficients(count, True), strict=True)):
        z = mixed_logits(trainer.model, rows[i], rows[j], share, layer)
        target = blend(targets[i], targets[j], share)
        if i < labels:
            supervised += sum(t * cross_entropy(z, c) for c, t in enumerate(target)) / labels
        else:
            unsupervised += squared_error(softmax(z), target) / (count - labels)
    return supervised, unsupervised


@pytest.mark.parametrize("num_weak", [1, 2, 3])
@pytest.mark.parametrize("modality", ["text", "image", "features"])
def test_terms_equal_the_formula(
    modality: str, num_weak: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = build(
        "mixmatch",
        tmp_path,
        modality,
        num_weak=num_weak,
        alpha=0.75,
        temperature=0.4,
        unlabeled_weight=7.0,
        rampup=0.4,
    )
    batch = first_batch(trainer)
    assert len([v for v in batch["unlabeled"].values() if isinstance(v, dict)]) == num_weak
    asked = known_draws(monkeypatch)
    got = terms(trainer, batch, 0.1)
    supervised, unsupervised = naive(trainer, batch, 0.4)
    assert unsupervised > 1e-4
    assert got["supervised"].item() == pytest.approx(supervised, abs=1e-5)
    assert got["unsupervised"].item() == pytest.approx(unsupervised, rel=1e-4)
    # A quarter of the ramp of 0.4.
    assert got["weight"] == pytest.approx(7 / 4)
    assert got["loss"].item() == pytest.approx(supervised + 7 / 4 * unsupervised, abs=1e-5)
    assert asked == [(0.75, 4 + 8 * num_weak, True)]


@pytest.mark.parametrize("layer", [1, 2])
def test_a_hidden_layer_is_mixed_on_request(layer: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = build("mixmatch", tmp_path, mix_at="hidden", mix_layers=[layer])
    batch = first_batch(trainer)
    known_draws(monkeypatch)
    got = terms(trainer, batch)
    supervised, unsupervised = naive(trainer, batch, 0.5, layer)
    assert got["supervised"].item() == pytest.approx(supervised, abs=1e-5)
    assert got["unsupervised"].item() == pytest.approx(unsupervised, rel=1e-4)


@pytest.mark.parametrize("mix_at", ["input", "hidden", "pooled"])
def test_the_gradient_reaches_the_whole_encoder(mix_at: str, tmp_path: Path) -> None:
    """The best-known benchmark mixes without gradient: 0 of 39 encoder tensors had any."""
    trainer = build("mixmatch", tmp_path, mix_at=mix_at)
    terms(trainer, first_batch(trainer))["unsupervised"].backward()
    for name, parameter in trainer.model.bert.named_parameters():
        if not name.endswith("key.bias"):
            assert parameter.grad is not None, name
            assert parameter.grad.abs().sum() > 0, name


def test_the_square_is_a_mean_over_classes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prediction (1, 0, 0) against guesses that say (0, 1, 0) costs 2/3, not 2."""
    trainer = build("mixmatch", tmp_path, "features", num_weak=1)
    batch = first_batch(trainer)
    monkeypatch.setattr(F, "mixup_coefficients", lambda alpha, size, fold: torch.ones(size))
    monkeypatch.setattr(trainer.objective, "_guess", lambda forward, views: torch.tensor([[0.0, 1.0, 0.0]] * 8))
    with torch.no_grad():
        trainer.model.head.weight.zero_()
        trainer.model.head.bias.copy_(torch.tensor([50.0, 0.0, 0.0]))
    assert terms(trainer, batch)["unsupervised"].item() == pytest.approx(2 / 3, abs=1e-5)


def test_temperature_one_keeps_the_mean_and_a_cold_one_takes_the_likeliest(tmp_path: Path) -> None:
    for temperature in (1.0, 1e-4):
        trainer = build("mixmatch", tmp_path, "features", temperature=temperature)
        batch = first_batch(trainer)
        views = [batch["unlabeled"]["weak"], batch["unlabeled"]["weak_2"]]
        got = trainer.objective._guess(trainer.forward_for(trainer.model), views)
        mean = torch.tensor(guess(trainer, views, 1.0))
        expected = mean if temperature == 1.0 else F.one_hot(mean.argmax(-1), 3)
        torch.testing.assert_close(got, expected, atol=1e-4, rtol=1e-4)
        assert not got.requires_grad


def test_all_views_of_an_example_share_one_guess_and_a_mix_stays_nearest_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    trainer = build("mixmatch", tmp_path, "features")
    monkeypatch.setattr(
        F,
        "soft_cross_entropy",
        lambda z, t: (seen.append(t), torch.nn.functional.cross_entropy(z, t, reduction="none"))[1],
    )
    monkeypatch.setattr(F, "squared_error", lambda z, t: (seen.append(t), (z.softmax(-1) - t).square().mean(-1))[1])
    batch = first_batch(trainer)
    terms(trainer, batch)
    labeled, unlabeled = seen
    assert labeled.shape == (4, 3)
    assert unlabeled.shape == (16, 3)
    own = F.one_hot(batch["labeled"]["labels"], 3)
    assert ((labeled * own).sum(-1) >= 0.5).all()


def test_guesses_come_from_the_student_and_evaluation_from_the_average(tmp_path: Path) -> None:
    trainer = build("mixmatch", tmp_path, "features")
    batch = first_batch(trainer)
    torch.manual_seed(3)
    before = terms(trainer, batch)["unsupervised"].item()
    with torch.no_grad():
        for parameter in trainer.objective.average.model.parameters():
            parameter.zero_()
    torch.manual_seed(3)
    assert terms(trainer, batch)["unsupervised"].item() == before
    assert trainer.evaluated_model is trainer.objective.average.model


def test_defaults_are_the_papers(tmp_path: Path) -> None:
    image, text = build("mixmatch", tmp_path, "image").args, build("mixmatch", tmp_path).args
    assert (image.num_weak, image.temperature, image.alpha, image.ema_decay) == (2, 0.5, 0.75, 0.999)
    assert image.per_example
    assert image.rampup == 1.0
    assert build("mixmatch", tmp_path, "features").args.alpha == 0.1
    assert build("mixmatch", tmp_path, "image").objective.full_weight == 75.0
    assert build("mixmatch", tmp_path).objective.full_weight == 3.0
    assert text.ema_decay == 0.99
    assert type(image)(output_dir=str(tmp_path)).mu == 1


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("num_weak", 0),
        ("alpha", 0.0),
        ("temperature", 0.0),
        ("unlabeled_weight", -1.0),
        ("rampup", 2.0),
        ("ema_decay", 1.0),
    ],
)
def test_settings_out_of_range_are_named(field: str, value: Any, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"{field}: got {value!r}"):
        build("mixmatch", tmp_path, **{field: value})

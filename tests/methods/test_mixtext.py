"""MixText against a naive loop written from equations 1 to 4, on hidden states of BERT and on other inputs."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.contract.cases import build, first_batch, labeled, model, tokenizer, unlabeled
from tests.methods.mixed import blend, coefficients, known_draws, mixed_logits, one_hot, partners, rows_of
from tests.methods.naive import Row, cross_entropy, kl, logits_of, softmax
from textssl import MixTextConfig, MixTextTrainer, UserError
from textssl.augment import Column


CONTRACT_VARIANTS: list[dict[str, Any]] = [
    {
        "guess_weights": [1.0, 0.5, 0.0],
        "separate_mix": True,
        "hinge_weight": 0.5,
        "per_example": True,
        "mix_layers": [1, 2],
        "target_dropout": True,
    },
    {"mix_at": "input", "hinge_weight": 0.5, "hinge": "entropy", "ema_decay": 0.9},
]
CONTRACT_FIELDS: dict[str, Any] = {
    "guess_weights": ([1.0, 1.0], [1.0, 0.2]),
    "hinge": ("norm", "entropy", {"hinge_weight": 1.0}),
    "hinge_weight": (0.0, 1.0),
    "margin": (0.7, 0.95, {"hinge_weight": 1.0}),
    "separate_mix": (False, True),
}


def terms(trainer: Any, batch: dict[str, Any], progress: float = 0.5) -> dict[str, torch.Tensor]:
    trainer.model.train()
    return trainer.objective.loss(trainer.forward_for(trainer.model), batch, progress)


def guesses(trainer: Any, views: list[dict[str, Any]], weights: list[float], temperature: float) -> list[Row]:
    found = []
    for logits in zip(*[logits_of(trainer, view) for view in views], strict=True):
        probs = [softmax(z) for z in logits]
        mean = [sum(w * p[c] for w, p in zip(weights, probs, strict=True)) / sum(weights) for c in range(3)]
        powers = [p ** (1 / temperature) for p in mean]
        found.append([p / sum(powers) for p in powers])
    return found


def naive(
    trainer: Any, batch: dict[str, Any], weights: list[float], layer: int | None, groups: list[int], fold: bool
) -> tuple[float, float]:
    views = [view for view in batch["unlabeled"].values() if isinstance(view, dict)]
    found = guesses(trainer, views, weights, 0.5)
    rows = rows_of(batch["labeled"]["weak"], *views)
    labels = batch["labeled"]["labels"].tolist()
    targets = [one_hot(y) for y in labels] + found * len(views)
    (share,) = coefficients(1, fold)
    paired = [start + j for start, size in groups_of(groups) for j in partners(size)]
    supervised = unsupervised = 0.0
    for i, j in enumerate(paired):
        z = mixed_logits(trainer.model, rows[i], rows[j], share, layer)
        target = blend(targets[i], targets[j], share)
        if i < len(labels):
            supervised += sum(t * cross_entropy(z, c) for c, t in enumerate(target)) / len(labels)
        else:
            unsupervised += kl(target, softmax(z)) / (len(rows) - len(labels))
    return supervised, unsupervised


def groups_of(sizes: list[int]) -> list[tuple[int, int]]:
    return [(sum(sizes[:i]), size) for i, size in enumerate(sizes)]


@pytest.mark.parametrize("layer", [1, 2])
@pytest.mark.parametrize("weights", [[1.0], [1.0, 1.0], [1.0, 0.5, 0.0]])
def test_terms_equal_the_formula_on_hidden_states(
    layer: int, weights: list[float], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = build("mixtext", tmp_path, guess_weights=weights, mix_layers=[layer], unlabeled_weight=2.0)
    batch = first_batch(trainer)
    assert len(set(batch["unlabeled"]["weak"]["lengths"])) > 1
    asked = known_draws(monkeypatch)
    got = terms(trainer, batch, 0.25)
    rows = 4 + 8 * len(weights)
    supervised, unsupervised = naive(trainer, batch, weights, layer, [rows], True)
    assert unsupervised > 1e-3
    assert got["supervised"].item() == pytest.approx(supervised, abs=1e-5)
    assert got["unsupervised"].item() == pytest.approx(unsupervised, rel=1e-4)
    # The ramp takes the whole training.
    assert got["weight"] == pytest.approx(0.5)
    assert got["loss"].item() == pytest.approx(supervised + 0.5 * unsupervised, abs=1e-5)
    assert asked == [(16.0, 1, True)]


@pytest.mark.parametrize("modality", ["text", "image", "features"])
def test_terms_equal_the_formula_on_inputs(modality: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = build("mixtext", tmp_path, modality, mix_at="input", temperature=0.5)
    batch = first_batch(trainer)
    known_draws(monkeypatch)
    got = terms(trainer, batch)
    supervised, unsupervised = naive(trainer, batch, [1.0, 1.0], None, [20], True)
    assert got["supervised"].item() == pytest.approx(supervised, abs=1e-5)
    assert got["unsupervised"].item() == pytest.approx(unsupervised, rel=1e-4)


def test_separate_mixing_keeps_labeled_rows_among_themselves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = build("mixtext", tmp_path, separate_mix=True, mix_layers=[1])
    batch = first_batch(trainer)
    asked = known_draws(monkeypatch)
    got = terms(trainer, batch)
    supervised, unsupervised = naive(trainer, batch, [1.0, 1.0], 1, [4, 16], False)
    assert got["supervised"].item() == pytest.approx(supervised, abs=1e-5)
    assert got["unsupervised"].item() == pytest.approx(unsupervised, rel=1e-4)
    assert asked == [(16.0, 1, False)]


@pytest.mark.parametrize("hinge", ["norm", "entropy"])
def test_hinge_by_hand(hinge: str, tmp_path: Path) -> None:
    trainer = build("mixtext", tmp_path, hinge_weight=0.5, hinge=hinge, margin=0.6)
    batch = first_batch(trainer)
    got = terms(trainer, batch)
    expected = 0.0
    for z in logits_of(trainer, batch["unlabeled"]["weak"]):
        p = softmax(z)
        short = 0.6 - sum(v * v for v in p) if hinge == "norm" else -sum(v * math.log(v) for v in p) - 0.6
        expected += max(0.0, short) / 8
    assert expected > 0
    assert got["hinge"].item() == pytest.approx(expected, abs=1e-5)
    whole = got["supervised"] + got["weight"] * got["unsupervised"] + 0.5 * got["hinge"]
    torch.testing.assert_close(got["loss"], whole)


def test_a_version_of_weight_zero_is_trained_on_but_guesses_nothing(tmp_path: Path) -> None:
    """IMDb's weights in the paper: 1, 0, 0. No forward is paid for guesses that do not count."""
    trainer = build("mixtext", tmp_path, guess_weights=[1.0, 0.0, 0.0])
    rows = []
    trainer.model.register_forward_hook(lambda module, args, out: rows.append(len(out.logits)))
    terms(trainer, first_batch(trainer))
    # Eight texts to guess; four labeled and three versions of the eight to learn.
    assert sum(rows) == 8 + 4 + 24


def test_back_translations_are_columns(tmp_path: Path) -> None:
    """The views of the paper: the text, its German and its Russian way back."""
    data = unlabeled().map(lambda row: {"german": row["text"] + " w1", "russian": "w2 w3"})
    config = MixTextConfig(
        output_dir=str(tmp_path), max_length=16, use_cpu=True, guess_weights=[1, 1, 1], report_to=[], max_steps=1
    )
    ways = {"strong": Column("german"), "strong_2": Column("russian")}
    trainer = MixTextTrainer(model(), config, labeled(), data, processing_class=tokenizer(), augmentations=ways)
    batch = first_batch(trainer)["unlabeled"]
    assert set(batch["strong_2"]["lengths"]) == {4}
    assert [b - a for a, b in zip(batch["weak"]["lengths"], batch["strong"]["lengths"], strict=True)] == [
        1 if length < 16 else 0 for length in batch["weak"]["lengths"]
    ]


def test_the_layer_is_drawn_for_each_batch(tmp_path: Path) -> None:
    trainer = build("mixtext", tmp_path, mix_layers=[1, 2])
    torch.manual_seed(0)
    drawn = {trainer.objective.mixer.draw([4], torch.device("cpu")).at for _ in range(20)}
    assert drawn == {1, 2}
    # Of a depth of two, 7, 9 and 12 twelfths are all the second layer.
    assert build("mixtext", tmp_path).objective.mixer.layers == [2]


def test_the_gradient_reaches_the_encoder_below_the_mix(tmp_path: Path) -> None:
    trainer = build("mixtext", tmp_path, mix_layers=[2])
    terms(trainer, first_batch(trainer))["unsupervised"].backward()
    assert trainer.model.bert.embeddings.word_embeddings.weight.grad.abs().sum() > 0
    assert trainer.model.bert.encoder.layer[0].attention.self.query.weight.grad.abs().sum() > 0


def test_defaults_follow_the_modality(tmp_path: Path) -> None:
    text, features = build("mixtext", tmp_path).args, build("mixtext", tmp_path, "features").args
    assert (text.alpha, text.mix_at, text.temperature) == (16.0, "hidden", 0.5)
    assert (features.alpha, features.mix_at, features.temperature) == (0.1, "input", 1.0)


def test_evaluation_is_the_students_unless_asked(tmp_path: Path) -> None:
    trainer = build("mixtext", tmp_path)
    assert trainer.evaluated_model is trainer.model
    averaged = build("mixtext", tmp_path, ema_decay=0.9)
    assert averaged.evaluated_model is averaged.objective.average.model


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("guess_weights", []),
        ("guess_weights", [0.0, 0.0]),
        ("guess_weights", [1.0, -1.0]),
        ("temperature", 0.0),
        ("alpha", 0.0),
        ("hinge", "l2"),
        ("margin", -0.1),
        ("rampup", 1.5),
    ],
)
def test_settings_out_of_range_are_named(field: str, value: Any, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=rf"{field}: got "):
        build("mixtext", tmp_path, **{field: value})

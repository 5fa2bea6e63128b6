"""Pseudo-labels under mixup against a naive loop, and when soft labels are replaced."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.contract.cases import build, first_batch
from tests.methods.mixed import blend, coefficients, known_draws, mixed_logits, one_hot, partners, rows_of
from tests.methods.naive import Row, cross_entropy, logits_of, softmax
from textssl import UserError


CONTRACT_VARIANTS: list[dict[str, Any]] = [
    {
        "per_example": True,
        "class_prior": [0.5, 0.25, 0.25],
        "ema_decay": 0.9,
        "warm_start_ratio": 0.3,
        "mix_at": "hidden",
    }
]
CONTRACT_FIELDS = {"mu": (2, 1), "warm_start_ratio": (0.0, 0.6)}


def terms(trainer: Any, batch: dict[str, Any], progress: float = 0.5) -> dict[str, torch.Tensor]:
    trainer.model.train()
    return trainer.objective.loss(trainer.forward_for(trainer.model), batch, progress)


def naive(trainer: Any, rows: list[Any], targets: list[Row], prior: Row) -> tuple[list[float], float, float]:
    """Cross entropy of each mixed row; R_A; R_H."""
    (share,) = coefficients(1, False)
    losses, predicted = [], []
    for i, j in enumerate(partners(len(rows))):
        z = mixed_logits(trainer.model, rows[i], rows[j], share)
        target = blend(targets[i], targets[j], share)
        losses.append(sum(t * cross_entropy(z, c) for c, t in enumerate(target)))
        predicted.append(softmax(z))
    mean = [sum(p[c] for p in predicted) / len(predicted) for c in range(3)]
    divergence = sum(a * math.log(a / b) for a, b in zip(prior, mean, strict=True))
    entropy = sum(-sum(v * math.log(v) for v in p) for p in predicted) / len(predicted)
    return losses, divergence, entropy


@pytest.mark.parametrize("modality", ["text", "image", "features"])
def test_terms_equal_the_formula(modality: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = build("mixup_pseudo_label", tmp_path, modality, class_prior=[0.5, 0.3, 0.2], prior_weight=0.7)
    batch = first_batch(trainer)
    asked = known_draws(monkeypatch)
    got = terms(trainer, batch)
    labels = batch["labeled"]["labels"].tolist()
    # At a first visit the label is the clean prediction of the moment.
    soft = [softmax(z) for z in logits_of(trainer, batch["unlabeled"]["weak"])]
    rows = rows_of(batch["labeled"]["weak"], batch["unlabeled"]["weak"])
    losses, prior, entropy = naive(trainer, rows, [one_hot(y) for y in labels] + soft, [0.5, 0.3, 0.2])
    assert got["supervised"].item() == pytest.approx(sum(losses[:4]) / 4, abs=1e-5)
    assert got["unsupervised"].item() == pytest.approx(sum(losses[4:]) / 8, abs=1e-5)
    assert got["prior"].item() == pytest.approx(prior, abs=1e-5)
    assert got["entropy"].item() == pytest.approx(entropy, abs=1e-5)
    assert got["loss"].item() == pytest.approx(sum(losses) / 12 + 0.7 * prior + 0.4 * entropy, abs=1e-5)
    assert asked == [(1.0, 1, False)]


def test_the_warmup_is_on_labeled_rows_with_the_same_regularisers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = build("mixup_pseudo_label", tmp_path, "features", warm_start_ratio=0.5)
    batch = first_batch(trainer)
    known_draws(monkeypatch)
    rows = rows_of(batch["labeled"]["weak"])
    targets = [one_hot(y) for y in batch["labeled"]["labels"].tolist()]
    got = terms(trainer, batch, 0.49)
    losses, prior, entropy = naive(trainer, rows, targets, [1 / 3] * 3)
    assert got["loss"].item() == pytest.approx(sum(losses) / 4 + 0.8 * prior + 0.4 * entropy, abs=1e-5)
    assert "unsupervised" not in got
    trainer.objective.after_step(trainer.forward_for(trainer.model), 0.49)
    assert not trainer.objective.soft_labels.counts.any()
    assert "unsupervised" in terms(trainer, batch, 0.5)


def test_a_soft_label_is_the_clean_prediction_of_the_visit_before(tmp_path: Path) -> None:
    """Dropout is on in training and off for labels; the weights move between the visits."""
    trainer = build("mixup_pseudo_label", tmp_path, "features", dropout=0.5)
    batch, forward = first_batch(trainer), trainer.forward_for(trainer.model)
    trainer.model.eval()
    first = torch.tensor([softmax(z) for z in logits_of(trainer, batch["unlabeled"]["weak"])])
    labels, seen = trainer.objective._labels(forward, batch)
    assert not seen.any()
    torch.testing.assert_close(labels, first)
    trainer.objective.after_step(forward, 0.5)
    with torch.no_grad():
        trainer.model.head.weight.mul_(-1)
    labels, seen = trainer.objective._labels(forward, batch)
    assert seen.all()
    torch.testing.assert_close(labels, first)
    second = torch.tensor([softmax(z) for z in logits_of(trainer, batch["unlabeled"]["weak"])])
    assert (second - first).abs().max() > 0.1
    trainer.objective.before_step(forward, [batch], 0.5)
    trainer.objective._labels(forward, batch)
    trainer.objective.after_step(forward, 0.5)
    labels, _ = trainer.objective._labels(forward, batch)
    torch.testing.assert_close(labels, second)


def test_each_example_is_relabeled_once_per_pass_over_the_data(tmp_path: Path) -> None:
    """40 unlabeled examples, 8 a batch: five steps are a pass."""
    trainer = build("mixup_pseudo_label", tmp_path, "features", max_steps=10, warm_start_ratio=0.0, save_strategy="no")
    trainer.train()
    assert trainer.objective.soft_labels.counts.tolist() == [2] * 40


def test_collapse_costs(tmp_path: Path) -> None:
    """All in one class: R_A grows without bound; even predictions: R_H is log 3."""
    trainer = build("mixup_pseudo_label", tmp_path, "features")
    batch = first_batch(trainer)
    with torch.no_grad():
        trainer.model.head.weight.zero_()
        trainer.model.head.bias.zero_()
        flat = terms(trainer, batch)
        trainer.model.head.bias.copy_(torch.tensor([30.0, 0.0, 0.0]))
        collapsed = terms(trainer, batch)
    assert flat["prior"].item() == pytest.approx(0.0, abs=1e-6)
    assert flat["entropy"].item() == pytest.approx(math.log(3), abs=1e-6)
    assert collapsed["entropy"].item() == pytest.approx(0.0, abs=1e-4)
    # KL(uniform || (1, e^-30, e^-30)) = 2/3 * 30 - log 3.
    assert collapsed["prior"].item() == pytest.approx(20 - math.log(3), abs=1e-4)


def test_every_batch_holds_labeled_examples(tmp_path: Path) -> None:
    """Nine labeled ones, four in each batch, repeated as often as it takes."""
    trainer = build("mixup_pseudo_label", tmp_path, "features", mu=5, per_device_train_batch_size=16)
    batch = first_batch(trainer)
    assert len(batch["labeled"]["labels"]) == 16
    assert len(batch["unlabeled"]["index"]) == 80


def test_defaults_are_the_authors(tmp_path: Path) -> None:
    args = build("mixup_pseudo_label", tmp_path, "image").args
    assert (args.alpha, args.prior_weight, args.entropy_weight, args.warm_start_ratio) == (1.0, 0.8, 0.4, 0.025)
    assert not args.per_example
    assert type(args)(output_dir=str(tmp_path)).mu == 5


@pytest.mark.parametrize("prior", [[1.0], [0.5, 0.4, 0.3], [0.5, 0.6, -0.1]])
def test_a_prior_that_is_no_distribution_over_the_classes_is_refused(prior: list[float], tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"class_prior: got \[.*expected 3 shares"):
        build("mixup_pseudo_label", tmp_path, class_prior=prior)


@pytest.mark.parametrize(
    ("field", "value"),
    [("alpha", 0.0), ("prior_weight", -1.0), ("entropy_weight", -1.0), ("warm_start_ratio", 1.5), ("ema_decay", 1.0)],
)
def test_settings_out_of_range_are_named(field: str, value: Any, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"{field}: got {value!r}"):
        build("mixup_pseudo_label", tmp_path, **{field: value})

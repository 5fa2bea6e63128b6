"""ReMixMatch against a naive loop, the order of alignment and sharpening, and its task without labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.contract.cases import build, first_batch
from tests.methods.mixed import blend, coefficients, known_draws, mixed_logits, one_hot, partners, rows_of
from tests.methods.naive import Row, cross_entropy, logits_of, softmax
from textssl import UserError
from textssl import functional as F
from textssl.state import DistributionAlignment


CONTRACT_VARIANTS: list[dict[str, Any]] = [
    {
        "num_strong": 1,
        "pretext": "order",
        "distribution_alignment": "sqrt",
        "mix_at": "hidden",
        "mix_layers": [1],
        "target_dropout": False,
    },
]
CONTRACT_IMAGE: dict[str, Any] = {"num_strong": 2}
CONTRACT_FIELDS: dict[str, Any] = {
    "num_strong": (2, 3),
    "pretext": ("none", "order"),
    "pretext_weight": (0.5, 2.0, {"pretext": "order"}),
    "strong_weight": (0.0, 0.5),
}


def terms(trainer: Any, batch: dict[str, Any], progress: float = 0.5) -> dict[str, torch.Tensor]:
    trainer.model.train()
    return trainer.objective.loss(trainer.forward_for(trainer.model), batch, progress)


def soft(z: Row, target: Row) -> float:
    return sum(t * cross_entropy(z, c) for c, t in enumerate(target))


def sharpened(p: Row, temperature: float) -> Row:
    powers = [v ** (1 / temperature) for v in p]
    return [v / sum(powers) for v in powers]


@pytest.mark.parametrize("num_strong", [1, 3])
@pytest.mark.parametrize("modality", ["text", "image", "features"])
def test_terms_equal_the_formula(
    modality: str, num_strong: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The weak anchor's guess is the target of every strong view; no view's prediction is averaged in."""
    trainer = build("remixmatch", tmp_path, modality, num_strong=num_strong, pretext="none", mu=1, rampup=0.0)
    batch = first_batch(trainer)
    labeled, unlabeled = batch["labeled"], batch["unlabeled"]
    asked = known_draws(monkeypatch)
    got = terms(trainer, batch)
    # Labeled classes are even, and no step is remembered yet: alignment changes nothing.
    guesses = [sharpened(softmax(z), 0.5) for z in logits_of(trainer, unlabeled["weak"])]
    views = [unlabeled[f"strong_{k}" if k > 1 else "strong"] for k in range(1, num_strong + 1)] + [unlabeled["weak"]]
    rows = rows_of(labeled["weak"], *views)
    targets = [one_hot(y) for y in labeled["labels"].tolist()] + guesses * len(views)
    supervised = match = 0.0
    for i, (j, share) in enumerate(zip(partners(len(rows)), coefficients(len(rows), True), strict=True)):
        loss = soft(mixed_logits(trainer.model, rows[i], rows[j], share), blend(targets[i], targets[j], share))
        if i < 4:
            supervised += loss / 4
        else:
            match += loss / (len(rows) - 4)
    first = [soft(z, q) for z, q in zip(logits_of(trainer, unlabeled["strong"]), guesses, strict=True)]
    strong = sum(first) / len(first)
    assert got["supervised"].item() == pytest.approx(supervised, abs=1e-5)
    assert got["unsupervised"].item() == pytest.approx(match, abs=1e-5)
    assert got["strong"].item() == pytest.approx(strong, abs=1e-5)
    assert got["loss"].item() == pytest.approx(supervised + 1.5 * match + 0.5 * strong, abs=1e-4)
    assert asked == [(0.75, len(rows), True)]


def test_alignment_comes_before_sharpening() -> None:
    """q = (.6, .4), mean (.8, .2), uniform classes, T = 1/2: (.1233, .8767); the other order gives (.36, .64)."""
    q, mean, uniform = torch.tensor([[0.6, 0.4]]), torch.tensor([0.8, 0.2]), torch.tensor([0.5, 0.5])
    right = F.sharpen(F.align_distribution(q, mean, uniform), 0.5)
    wrong = F.align_distribution(F.sharpen(q, 0.5), mean, uniform)
    torch.testing.assert_close(right, torch.tensor([[0.1233, 0.8767]]), atol=1e-4, rtol=0)
    torch.testing.assert_close(wrong, torch.tensor([[0.36, 0.64]]), atol=1e-4, rtol=0)


def test_guesses_are_aligned_by_the_raw_predictions_of_the_steps_before(tmp_path: Path) -> None:
    """After one step the mean is that of 127 steps of the prior and one of the model; then sharpened."""
    trainer = build("remixmatch", tmp_path, "features", class_prior=[0.5, 0.25, 0.25])
    batch, forward = first_batch(trainer), trainer.forward_for(trainer.model)
    weak = [softmax(z) for z in logits_of(trainer, batch["unlabeled"]["weak"])]
    terms(trainer, batch)
    trainer.objective.after_step(forward, 0.5)
    prior = [0.5, 0.25, 0.25]
    mean = [(127 * prior[c] + sum(p[c] for p in weak) / len(weak)) / 128 for c in range(3)]
    got = trainer.objective._guess(forward, batch["unlabeled"]["weak"])
    for row, p in zip(got.tolist(), weak, strict=True):
        scaled = [p[c] * prior[c] / mean[c] for c in range(3)]
        assert row == pytest.approx(sharpened([s / sum(scaled) for s in scaled], 0.5), abs=1e-5)
    assert isinstance(trainer.objective.model_mean, DistributionAlignment)
    assert trainer.objective.model_mean.mean.recent.shape == (128, 3)


def test_only_the_ramped_terms_are_ramped(tmp_path: Path) -> None:
    trainer = build("remixmatch", tmp_path, "image", num_strong=1, rampup=0.5)
    batch = first_batch(trainer)
    with torch.no_grad():
        trainer.objective.head.weight.normal_(generator=torch.Generator().manual_seed(0))
    for progress, ramp in ((0.0, 0.0), (0.25, 0.5), (0.9, 1.0)):
        got = terms(trainer, batch, progress)
        ramped = 1.5 * got["unsupervised"] + 0.5 * got["strong"]
        expected = got["supervised"] + ramp * ramped + 0.5 * got["pretext"]
        torch.testing.assert_close(got["loss"], expected)


def test_rotation_is_told_from_the_pooled_vector_of_the_first_strong_view(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = build("remixmatch", tmp_path, "image", num_strong=2)
    batch = first_batch(trainer)
    turns = [3, 0, 1, 2, 2, 1, 0, 3]
    monkeypatch.setattr(torch, "randint", lambda high, size: torch.tensor(turns))
    head = trainer.objective.head
    with torch.no_grad():
        head.weight.normal_(generator=torch.Generator().manual_seed(0))
        head.bias.normal_(generator=torch.Generator().manual_seed(1))
    got = terms(trainer, batch)
    total = 0.0
    for pixels, k in zip(batch["unlabeled"]["strong"]["pixel_values"], turns, strict=True):
        with torch.no_grad():
            turned = torch.from_numpy(np.rot90(pixels.numpy(), k, (1, 2)).copy())
            vector = trainer.model.vit(turned[None]).last_hidden_state[:, 0]
            z = (vector @ head.weight.T + head.bias)[0].tolist()
        total += cross_entropy(z, k) / 8
    assert got["pretext"].item() == pytest.approx(total, abs=1e-5)
    got["pretext"].backward()
    assert head.weight.grad.abs().sum() > 0
    assert trainer.model.vit.embeddings.cls_token.grad.abs().sum() > 0


def test_the_head_of_the_task_is_trained_and_saved(tmp_path: Path) -> None:
    """At the start it is zeros, on every process; Trainer's optimizer moves it, and a checkpoint holds it."""
    trainer = build("remixmatch", tmp_path, "image", num_strong=1)
    assert not trainer.objective.head.weight.any()
    trainer.train()
    assert trainer.objective.head.weight.abs().sum() > 0
    # Gradients do not pile up from step to step.
    assert trainer.objective.head.weight.grad is None
    assert "head.weight" in trainer.objective.state_dict()
    assert not any("head" in name for name in trainer.model.state_dict())


def test_a_persons_own_optimizer_moves_the_head_too(tmp_path: Path) -> None:
    trainer = build("remixmatch", tmp_path, "image", num_strong=1)
    trainer.optimizer = torch.optim.SGD(trainer.model.parameters(), lr=0.05)
    trainer.train()
    assert trainer.objective.head.weight.abs().sum() > 0
    # The weight and the bias of the head: only one of them is decayed.
    assert len(trainer.optimizer.param_groups) == 3


def test_the_task_of_text_is_the_order_of_halves_and_off_by_default(tmp_path: Path) -> None:
    assert "pretext" not in terms(*_with_batch(build("remixmatch", tmp_path)))
    got = terms(*_with_batch(build("remixmatch", tmp_path, pretext="order")))
    # A head of zeros tells two orders apart by chance.
    assert got["pretext"].item() == pytest.approx(0.693147, abs=1e-5)


def _with_batch(trainer: Any) -> tuple[Any, dict[str, Any]]:
    return trainer, first_batch(trainer)


def test_a_task_of_another_modality_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"pretext: got 'rotation'; for BertForSequenceClassification allowed: order, none"
    ):
        build("remixmatch", tmp_path, pretext="rotation")
    with pytest.raises(
        UserError, match=r"pretext: got 'order'; for ViTForImageClassification allowed: rotation, none"
    ):
        build("remixmatch", tmp_path, "image", pretext="order")
    with pytest.raises(UserError, match=r"pretext: got 'rotation'; for FeatureClassifier allowed: none"):
        build("remixmatch", tmp_path, "features", pretext="rotation")


@pytest.mark.parametrize("prior", [[0.5, 0.5], [0.5, 0.4, 0.2], [1.2, -0.1, -0.1]])
def test_a_prior_that_is_no_distribution_over_the_classes_is_refused(prior: list[float], tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"class_prior: got \[.*expected 3 shares"):
        build("remixmatch", tmp_path, class_prior=prior)


def test_defaults_are_the_papers(tmp_path: Path) -> None:
    args = build("remixmatch", tmp_path, "image").args
    assert (args.num_strong, args.temperature, args.alpha, args.pretext) == (8, 0.5, 0.75, "rotation")
    assert (args.unlabeled_weight, args.strong_weight, args.pretext_weight) == (1.5, 0.5, 0.5)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("num_strong", 0),
        ("alpha", -0.5),
        ("temperature", -1.0),
        ("strong_weight", -1.0),
        ("pretext_weight", -1.0),
        ("pretext", "jigsaw"),
    ],
)
def test_settings_out_of_range_are_named(field: str, value: Any, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"{field}: got {value!r}"):
        build("remixmatch", tmp_path, **{field: value})

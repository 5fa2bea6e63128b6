"""FixMatch against a naive loop written from equations 3 and 4, and at the limits of its threshold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.contract.cases import build, first_batch
from tests.methods.naive import cross_entropy, logits_of, softmax
from textssl import UserError


CONTRACT_VARIANTS = [
    {"threshold": 0.5, "distribution_alignment": "estimated", "ema_decay": 0.0, "target_dropout": False}
]


def terms(trainer: Any, batch: dict[str, Any]) -> dict[str, torch.Tensor]:
    trainer.model.train()
    return trainer.objective.loss(trainer.forward_for(trainer.model), batch, 0.5)


def naive(trainer: Any, batch: dict[str, Any], threshold: float) -> tuple[float, float, float]:
    """Both terms of arXiv:2001.07685, and the share of examples that are confident enough."""
    labeled, unlabeled = batch["labeled"], batch["unlabeled"]
    rows = zip(logits_of(trainer, labeled["weak"]), labeled["labels"].tolist(), strict=True)
    supervised = [cross_entropy(z, y) for z, y in rows]
    total, kept = 0.0, 0
    weak, strong = (logits_of(trainer, unlabeled[name]) for name in ("weak", "strong"))
    for z, s in zip(weak, strong, strict=True):
        q = softmax(z)
        if max(q) >= threshold:
            total += cross_entropy(s, q.index(max(q)))
            kept += 1
    return sum(supervised) / len(supervised), total / len(weak), kept / len(weak)


@pytest.mark.parametrize("modality", ["text", "image", "features"])
@pytest.mark.parametrize("threshold", [0.0, 0.6, 0.95])
def test_terms_equal_the_formula(modality: str, threshold: float, tmp_path: Path) -> None:
    trainer = build("fixmatch", tmp_path, modality, threshold=threshold, unlabeled_weight=0.5)
    batch = first_batch(trainer)
    got = terms(trainer, batch)
    supervised, unsupervised, kept = naive(trainer, batch, threshold)
    assert got["supervised"].item() == pytest.approx(supervised, abs=1e-5)
    assert got["unsupervised"].item() == pytest.approx(unsupervised, abs=1e-5)
    assert got["mask_rate"].item() == pytest.approx(kept)
    assert got["loss"].item() == pytest.approx(supervised + 0.5 * unsupervised, abs=1e-5)


def test_one_of_eight_rows_kept_gives_an_eighth_of_its_loss(tmp_path: Path) -> None:
    """Divided by the whole unlabeled batch, not by the rows kept."""
    trainer = build("fixmatch", tmp_path)
    batch = first_batch(trainer)
    trainer.model.train()
    weak = logits_of(trainer, batch["unlabeled"]["weak"])
    confidence = [max(softmax(z)) for z in weak]
    best = confidence.index(max(confidence))
    trainer.objective.thresholds.threshold = sum(sorted(confidence)[-2:]) / 2
    strong = logits_of(trainer, batch["unlabeled"]["strong"])[best]
    label = weak[best].index(max(weak[best]))
    assert terms(trainer, batch)["unsupervised"].item() == pytest.approx(cross_entropy(strong, label) / 8, abs=1e-6)


def test_masked_rows_cost_no_forward(tmp_path: Path) -> None:
    trainer = build("fixmatch", tmp_path, threshold=1.0)
    rows = []
    trainer.model.register_forward_hook(lambda module, args, out: rows.append(len(out.logits)))
    got = terms(trainer, first_batch(trainer))
    # Eight weak rows, four labeled ones, and no strong one.
    assert sum(rows) == 12
    assert got["unsupervised"].item() == 0.0
    assert got["unsupervised"].requires_grad


def test_labels_come_from_the_student_and_evaluation_from_the_average(tmp_path: Path) -> None:
    trainer = build("fixmatch", tmp_path, threshold=0.0)
    batch = first_batch(trainer)
    before = terms(trainer, batch)["unsupervised"].item()
    with torch.no_grad():
        for parameter in trainer.objective.average.model.parameters():
            parameter.zero_()
    assert terms(trainer, batch)["unsupervised"].item() == before
    assert trainer.evaluated_model is trainer.objective.average.model
    student = build("fixmatch", tmp_path, ema_decay=0.0)
    assert student.evaluated_model is student.model


def test_alignment_by_hand(tmp_path: Path) -> None:
    """Labeled classes are even; after a step that predicted the mean m, predictions are divided by it."""
    trainer = build("fixmatch", tmp_path, threshold=0.0, distribution_alignment=True)
    batch, forward = first_batch(trainer), trainer.forward_for(trainer.model)
    weak = [softmax(z) for z in logits_of(trainer, batch["unlabeled"]["weak"])]
    terms(trainer, batch)
    trainer.objective.after_step(forward, 0.5)
    mean = [sum(p[c] for p in weak) / len(weak) for c in range(3)]
    strong = logits_of(trainer, batch["unlabeled"]["strong"])
    expected = 0.0
    for p, s in zip(weak, strong, strict=True):
        aligned = [a / m for a, m in zip(p, mean, strict=True)]
        expected += cross_entropy(s, aligned.index(max(aligned))) / len(weak)
    assert terms(trainer, batch)["unsupervised"].item() == pytest.approx(expected, abs=1e-5)


def test_defaults_are_the_papers(tmp_path: Path) -> None:
    image, text = build("fixmatch", tmp_path, "image").args, build("fixmatch", tmp_path).args
    assert (image.threshold, image.unlabeled_weight, image.ema_decay) == (0.95, 1.0, 0.999)
    assert text.ema_decay == 0.99
    assert type(image)(output_dir=str(tmp_path)).mu == 7


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("threshold", 1.5),
        ("ema_decay", 1.0),
        ("ema_decay", -0.1),
        ("unlabeled_weight", -1.0),
        ("distribution_alignment_decay", 2.0),
    ],
)
def test_settings_out_of_range_are_named(field: str, value: Any, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"{field}: got {value!r}"):
        build("fixmatch", tmp_path, **{field: value})

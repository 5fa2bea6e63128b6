"""Mean Teacher against a naive loop written from the paper's formula, and what reaches which of the two models."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.contract.cases import build, first_batch
from tests.methods.naive import ConvNet, cross_entropy, kl, row_logits, softmax, squared_error
from textssl import UserError
from textssl.forward.base import Forward
from textssl.forward.rows import ImageBackend
from textssl.methods.mean_teacher import MeanTeacher, MeanTeacherConfig
from textssl.objective import Task


CONTRACT_VARIANTS = [
    {"consistency": "kl", "evaluated_model": "student", "teacher_dropout": False},
    {"teacher_decay": 0.9, "rampup": 0.0, "unlabeled_weight": 4.0, "warm_start_steps": 1},
]
CONTRACT_FIELDS = {"consistency": ("mse", "kl"), "evaluated_model": ("teacher", "student")}
MODALITIES = ["text", "image", "features"]


def ready(tmp_path: Path, modality: str = "text", **settings: Any) -> tuple[Any, dict[str, Any]]:
    """A trainer whose teacher differs from the student, as after some steps, and a batch."""
    trainer = build("mean_teacher", tmp_path, modality, **settings)
    trainer.model.train()
    move(trainer.objective.teacher.model, 0.05, seed=1)
    return trainer, first_batch(trainer)


def move(model: nn.Module, size: float, seed: int) -> None:
    rng = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(size * torch.randn(p.shape, generator=rng))


def terms_of(trainer: Any, batch: dict[str, Any], progress: float = 0.5) -> dict[str, Any]:
    return trainer.objective.loss(trainer.forward_for(trainer.model), batch, progress)


def naive_terms(
    student: nn.Module, teacher: nn.Module, batch: dict[str, Any], consistency: str
) -> tuple[float, float]:
    labels = batch["labeled"]["labels"].tolist()
    total, distance, rows = 0.0, 0.0, 0
    for stream in ("labeled", "unlabeled"):
        ours, theirs = row_logits(student, batch[stream]["weak"]), row_logits(teacher, batch[stream]["weak_2"])
        rows += len(ours)
        for z, t in zip(ours, theirs, strict=True):
            p, q = softmax(z), softmax(t)
            distance += squared_error(p, q) if consistency == "mse" else kl(q, p)
        if stream == "labeled":
            total = sum(cross_entropy(z, y) for z, y in zip(ours, labels, strict=True))
    return total / len(labels), distance / rows


@pytest.mark.parametrize(("consistency", "weight"), [("mse", 3.0), ("kl", 1.0)])
@pytest.mark.parametrize("modality", MODALITIES)
def test_terms_equal_the_formula(modality: str, consistency: str, weight: float, tmp_path: Path) -> None:
    """Three classes: a default weight of 3 for the mean square."""
    trainer, batch = ready(tmp_path, modality, consistency=consistency)
    teacher = trainer.objective.teacher.model
    supervised, unsupervised = naive_terms(trainer.model, teacher, batch, consistency)
    assert unsupervised > 1e-5
    terms = terms_of(trainer, batch)
    assert terms["supervised"].item() == pytest.approx(supervised, abs=1e-5)
    assert terms["unsupervised"].item() == pytest.approx(unsupervised, rel=1e-3, abs=1e-7)
    assert terms["loss"].item() == pytest.approx(supervised + weight * unsupervised, abs=1e-4)


@pytest.mark.parametrize(
    ("progress", "share"), [(0.0, 0.00674), (10 / 150, 0.06005), (20 / 150, 0.28650), (30 / 150, 0.73162), (1.0, 1.0)]
)
def test_the_weight_climbs(progress: float, share: float, tmp_path: Path) -> None:
    trainer, batch = ready(tmp_path, "image")
    terms = terms_of(trainer, batch, progress)
    assert terms["weight"] == pytest.approx(3 * share, abs=1e-4)
    loss = terms["supervised"] + 3 * share * terms["unsupervised"]
    torch.testing.assert_close(terms["loss"], loss, atol=1e-4, rtol=1e-4)


def test_default_weights(tmp_path: Path) -> None:
    """The lower ends of the authors' advice: C to C^2 for mse, 1 to 10 for kl."""
    task = Task(10, 4000, 46_000, (0.1,) * 10)
    for consistency, weight in (("mse", 10), ("kl", 1)):
        config = MeanTeacherConfig(output_dir=str(tmp_path), consistency=consistency)
        assert MeanTeacher(config, task).max_weight == weight
    given = MeanTeacherConfig(output_dir=str(tmp_path), unlabeled_weight=0.0)
    assert MeanTeacher(given, task).max_weight == 0


@pytest.mark.parametrize(("modality", "expected"), [("text", 0.99), ("image", 0.999), ("features", 0.99)])
def test_the_decay_suits_the_modality(modality: str, expected: float, tmp_path: Path) -> None:
    assert build("mean_teacher", tmp_path, modality).objective.teacher.decay == expected
    assert build("mean_teacher", tmp_path, modality, teacher_decay=0.5).objective.teacher.decay == 0.5


@pytest.mark.parametrize("consistency", ["mse", "kl"])
def test_equal_weights_and_views_cost_nothing_and_other_weights_something(consistency: str, tmp_path: Path) -> None:
    """A published benchmark compared the student with itself: always 0."""
    trainer = build("mean_teacher", tmp_path, consistency=consistency)
    trainer.model.train()
    batch = first_batch(trainer)
    same = {stream: {**views, "weak_2": views["weak"]} for stream, views in batch.items()}
    assert terms_of(trainer, same)["unsupervised"].item() == pytest.approx(0.0, abs=1e-6)
    move(trainer.objective.teacher.model, 0.05, seed=1)
    assert terms_of(trainer, same)["unsupervised"].item() > 1e-4


def test_the_teacher_has_dropout_of_its_own_unless_told_otherwise(tmp_path: Path) -> None:
    """Weights and views are equal and the student has no dropout: what is left is the teacher's."""
    for teacher_dropout in (True, False):
        trainer = build("mean_teacher", tmp_path, dropout=0.3, teacher_dropout=teacher_dropout)
        batch = first_batch(trainer)
        same = {stream: {**views, "weak_2": views["weak"]} for stream, views in batch.items()}
        for module in trainer.model.modules():
            if isinstance(module, nn.Dropout):
                module.p = 0.0
        term = terms_of(trainer, same)["unsupervised"].item()
        assert term > 1e-4 if teacher_dropout else term == pytest.approx(0.0, abs=1e-12)
        assert not any(module.training for module in trainer.objective.teacher.modules())


def test_gradient_reaches_the_student_alone(tmp_path: Path) -> None:
    trainer, batch = ready(tmp_path, "image", dropout=0.1)
    teacher = trainer.objective.teacher.model
    before = {name: x.clone() for name, x in teacher.state_dict().items()}
    terms_of(trainer, batch)["unsupervised"].backward()
    assert all(p.grad is None and not p.requires_grad for p in teacher.parameters())
    assert all(torch.equal(before[name], x) for name, x in teacher.state_dict().items())
    # A key bias shifts all scores of a query alike, which softmax does not see.
    moved = {name: p.grad is not None and bool(p.grad.any()) for name, p in trainer.model.named_parameters()}
    assert all(reached for name, reached in moved.items() if not name.endswith("key.bias"))


def test_the_teacher_follows_each_step(tmp_path: Path) -> None:
    """alpha_t is 1/2, min(2/3, .7), then min(3/4, .7) and min(4/5, .7)."""
    trainer = build("mean_teacher", tmp_path, "image", teacher_decay=0.7, save_strategy="no")
    expected = trainer.model.classifier.weight.detach().clone()
    weights: list[tuple[Tensor, Tensor]] = []
    follow = trainer.objective.after_step

    def watched(forward: Forward, progress: float) -> None:
        follow(forward, progress)
        pair = (forward.unwrapped, trainer.objective.teacher.model)
        weights.append(tuple(model.classifier.weight.detach().clone() for model in pair))

    trainer.objective.after_step = watched
    trainer.train()
    assert len(weights) == 4
    for alpha, (student, teacher) in zip([1 / 2, 2 / 3, 0.7, 0.7], weights, strict=True):
        expected = alpha * expected + (1 - alpha) * student
        torch.testing.assert_close(teacher, expected)
    assert not torch.equal(*weights[-1])


@pytest.mark.parametrize("evaluate", ["teacher", "student"])
def test_which_is_evaluated_and_saved(evaluate: str, tmp_path: Path) -> None:
    trainer = build("mean_teacher", tmp_path, "image", evaluated_model=evaluate, save_strategy="no")
    trainer.train()
    student = trainer.accelerator.unwrap_model(trainer.model)
    expected = {"teacher": trainer.objective.teacher.model, "student": student}[evaluate]
    assert trainer.evaluated_model is expected
    trainer.save_model(str(tmp_path / "final"))
    saved = type(student).from_pretrained(tmp_path / "final").state_dict()
    assert all(torch.equal(saved[name], x) for name, x in expected.state_dict().items())


def with_batch_norm(tmp_path: Path, **settings: Any) -> tuple[MeanTeacher, ConvNet, Forward, dict[str, Any]]:
    net = ConvNet()
    objective = MeanTeacher(MeanTeacherConfig(output_dir=str(tmp_path), **settings), Task(3, 4, 8, (1 / 3,) * 3))
    objective.bind(net)
    rng = torch.Generator().manual_seed(0)
    batch: dict[str, Any] = {}
    for stream, rows in (("labeled", 4), ("unlabeled", 8)):
        batch[stream] = {
            name: {
                "pixel_values": 2 * torch.randn(rows, 1, 8, 8, generator=rng) + 1,
                "lengths": [1] * rows,
                "stream": stream,
            }
            for name in ("weak", "weak_2")
        }
    batch["labeled"]["labels"] = torch.tensor([0, 1, 2, 0])
    return objective, net.train(), Forward(net, net, ImageBackend()), batch


def test_statistics_of_batch_norms_are_copied_from_the_student(tmp_path: Path) -> None:
    objective, net, forward, batch = with_batch_norm(tmp_path, teacher_decay=0.9)
    teacher = objective.teacher.model
    # Far along, so that averaged statistics would differ from copied ones.
    objective.teacher.updates += 1000
    objective.loss(forward, batch, 0.5)["loss"].backward()
    # The student's pass moved its own; the teacher's, in training mode, moved none.
    assert net.norm.num_batches_tracked.item() == 1
    assert teacher.norm.num_batches_tracked.item() == 0
    assert torch.equal(teacher.norm.running_mean, torch.zeros(4))
    objective.after_step(forward, 0.5)
    for name, theirs in net.named_buffers():
        assert torch.equal(dict(teacher.named_buffers())[name], theirs), name
    assert net.norm.running_mean.abs().max() > 1e-3


@pytest.mark.parametrize("teacher_dropout", [True, False])
def test_the_teacher_normalises_by_its_batch_or_by_its_statistics(teacher_dropout: bool, tmp_path: Path) -> None:
    objective, _, forward, batch = with_batch_norm(tmp_path, teacher_decay=0.9, teacher_dropout=teacher_dropout)
    x, y = (torch.cat([batch[s][v]["pixel_values"] for s in ("labeled", "unlabeled")]) for v in ("weak", "weak_2"))
    with torch.no_grad():
        p, q = (model.logits.softmax(-1) for model in (ConvNet().train()(x), ConvNet().train(teacher_dropout)(y)))
    expected = ((p - q) ** 2).sum(1).mean() / 3
    assert expected > 1e-3
    torch.testing.assert_close(objective.loss(forward, batch, 0.5)["unsupervised"].detach(), expected)


class Padded(nn.Module):
    """A model with as many classes again, of no probability."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, pixel_values: Tensor) -> SimpleNamespace:
        return SimpleNamespace(logits=nn.functional.pad(self.net(pixel_values).logits, (0, 3), value=-1e4))


@pytest.mark.parametrize(("consistency", "factor"), [("mse", 0.5), ("kl", 1.0)])
def test_the_square_is_a_mean_over_classes_and_kl_a_sum(consistency: str, factor: float, tmp_path: Path) -> None:
    objective, net, forward, batch = with_batch_norm(tmp_path, consistency=consistency, teacher_decay=0.9)
    few = objective.loss(forward, batch, 0.5)["unsupervised"].item()
    padded = Padded(net)
    objective.bind(padded)
    many = objective.loss(Forward(padded, padded, ImageBackend()), batch, 0.5)["unsupervised"].item()
    assert few > 1e-3
    assert many == pytest.approx(factor * few, rel=1e-5)


def test_a_warm_start_moves_the_teacher_too(tmp_path: Path) -> None:
    trainer = build("mean_teacher", tmp_path, "image", warm_start_steps=2, save_strategy="no")
    trainer.train()
    assert trainer.objective.teacher.updates.item() == 4


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("unlabeled_weight", -1.0),
        ("rampup", -0.1),
        ("consistency", "l1"),
        ("teacher_decay", 1.0),
        ("evaluated_model", "both"),
    ],
)
def test_settings_out_of_range_are_named(field: str, value: Any, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"{field}: got {value!r}"):
        MeanTeacherConfig(output_dir=str(tmp_path), **{field: value})

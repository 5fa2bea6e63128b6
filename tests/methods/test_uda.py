"""UDA against a naive loop written from the paper's formula, and its published behaviour at the limits."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.contract.cases import build, first_batch, state_of
from tests.methods.naive import ConvNet
from textssl import UDAConfig, UserError
from textssl.forward.base import Forward
from textssl.methods.uda import UDA
from textssl.modalities.image.modality import ImageBackend
from textssl.objective import Task


CONTRACT_VARIANTS = [
    {"threshold": 0.8, "temperature": 0.5, "teacher_decay": 0.9, "distribution_alignment": True, "tsa": None},
    {"tsa": "exp", "unlabeled_weight": 2.0, "target_dropout": False, "warm_start_steps": 1},
]
CONTRACT_FIELDS = {"tsa": ("linear", "none")}


def logits_of(trainer: Any, view: dict[str, Any]) -> list[list[float]]:
    """One row at a time, without padding."""
    rows = []
    for i, n in enumerate(view["lengths"]):
        with torch.no_grad():
            rows.append(trainer.model(input_ids=view["input_ids"][i : i + 1, :n]).logits[0].tolist())
    return rows


def softmax(z: list[float], temperature: float = 1.0) -> list[float]:
    e = [math.exp(v / temperature) for v in z]
    return [v / sum(e) for v in e]


def naive_uda(
    trainer: Any, batch: dict[str, Any], eta: float | None, temperature: float, threshold: float
) -> tuple[float, float]:
    """Both terms of arXiv:1904.12848, eq. 1 with section 2.3 and the masking of section 3.2."""
    labeled, unlabeled = batch["labeled"], batch["unlabeled"]
    total, kept = 0.0, 0
    for z, y in zip(logits_of(trainer, labeled["weak"]), labeled["labels"].tolist(), strict=True):
        p = softmax(z)[y]
        if eta is None or p <= eta:
            total += -math.log(p)
            kept += 1
    supervised = total / max(kept, 1)
    divergence = 0.0
    weak, strong = (logits_of(trainer, unlabeled[name]) for name in ("weak", "strong"))
    for z, s in zip(weak, strong, strict=True):
        if max(softmax(z)) >= threshold:
            q, p = softmax(z, temperature), softmax(s)
            divergence += sum(a * (math.log(a) - math.log(b)) for a, b in zip(q, p, strict=True))
    return supervised, divergence / len(weak)


@pytest.mark.parametrize("tsa", [None, "linear", "log", "exp"])
@pytest.mark.parametrize(("temperature", "threshold"), [(1.0, 0.0), (0.4, 0.9), (0.85, 0.8)])
def test_terms_equal_the_formula(tsa: str | None, temperature: float, threshold: float, tmp_path: Path) -> None:
    trainer = build("uda", tmp_path, tsa=tsa, temperature=temperature, threshold=threshold)
    batch = first_batch(trainer)
    trainer.model.train()
    # TSA at half of training with 3 classes, by hand: a = .5, e^-2.5, 1 - e^-2.5; eta = a 2/3 + 1/3.
    eta = {None: None, "linear": 2 / 3, "log": 0.9452767, "exp": 0.3880567}[tsa]
    terms = trainer.objective.loss(trainer.forward_for(trainer.model), batch, 0.5)
    supervised, unsupervised = naive_uda(trainer, batch, eta, temperature, threshold)
    assert terms["supervised"].item() == pytest.approx(supervised, abs=1e-5)
    assert terms["unsupervised"].item() == pytest.approx(unsupervised, abs=1e-5)
    assert terms["loss"].item() == pytest.approx(supervised + unsupervised, abs=1e-5)


def test_masked_rows_cost_no_forward_and_change_nothing(tmp_path: Path) -> None:
    """Whatever stands in the strong view of a masked row, the loss is the same: it was never run."""
    trainer = build("uda", tmp_path)
    batch = first_batch(trainer)
    trainer.model.train()
    confidence = [max(softmax(z)) for z in logits_of(trainer, batch["unlabeled"]["weak"])]
    trainer.args.threshold = sum(sorted(confidence)[3:5]) / 2
    confident = [value >= trainer.args.threshold for value in confidence]
    assert sum(confident) == 4
    rows_run = []
    hook = trainer.model.register_forward_hook(lambda module, args, out: rows_run.append(len(out.logits)))
    before = trainer.objective.loss(trainer.forward_for(trainer.model), batch, 0.5)["loss"]
    hook.remove()
    assert sum(rows_run) == 8 + 4 + sum(confident)
    for i, sure in enumerate(confident):
        if not sure:
            batch["unlabeled"]["strong"]["input_ids"][i] = 7
    after = trainer.objective.loss(trainer.forward_for(trainer.model), batch, 0.5)["loss"]
    torch.testing.assert_close(before, after)


def test_a_batch_masked_whole_gives_a_zero_on_the_graph(tmp_path: Path) -> None:
    trainer = build("uda", tmp_path, threshold=1.0)
    trainer.model.train()
    terms = trainer.objective.loss(trainer.forward_for(trainer.model), first_batch(trainer), 0.5)
    assert terms["unsupervised"].item() == 0.0
    assert terms["unsupervised"].requires_grad
    assert terms["mask_rate"].item() == 0.0


def test_tsa_keeps_a_confident_mistake_and_drops_a_confident_hit(tmp_path: Path) -> None:
    """The mask is on p(correct); on max p both would be dropped (a known defect elsewhere)."""
    trainer = build("uda", tmp_path, tsa="linear")
    logits = torch.tensor([[9.0, 0.0, 0.0], [9.0, 0.0, 0.0]])
    loss, figures = trainer.objective._supervised(logits, torch.tensor([0, 1]), 0.5)
    assert figures["tsa_kept"].item() == 0.5
    assert loss.item() == pytest.approx(math.log(math.e**9 + 2), abs=1e-5)


def test_tsa_with_every_example_dropped_is_zero_not_nan(tmp_path: Path) -> None:
    trainer = build("uda", tmp_path, tsa="linear")
    logits = torch.full((4, 3), 0.0).index_fill(1, torch.tensor([0]), 20.0).requires_grad_()
    loss, _ = trainer.objective._supervised(logits, torch.zeros(4, dtype=torch.long), 0.0)
    loss.backward()
    assert loss.item() == 0.0
    assert logits.grad.abs().sum() == 0.0


def step_of_micro_batches(tsa: str, tmp_path: Path) -> tuple[ConvNet, torch.Tensor, list[dict[str, Any]]]:
    """A network after the passes of a step of two micro-batches, what the generator draws next, and the terms."""
    config = UDAConfig(output_dir=str(tmp_path), tsa=tsa, threshold=0.0, temperature=1.0, use_cpu=True)
    objective, net = UDA(config, Task(3, 4, 8, (1 / 3,) * 3)), ConvNet(dropout=0.5).train()
    forward = Forward(net, net, ImageBackend())
    draw = torch.Generator().manual_seed(3)

    def view(rows: int) -> dict[str, Any]:
        return {"pixel_values": torch.randn(rows, 1, 8, 8, generator=draw), "lengths": [1] * rows}

    batches = [
        {
            "labeled": {"weak": view(2), "labels": torch.tensor([0, 2])},
            "unlabeled": {"weak": view(4), "strong": view(4)},
        }
        for _ in range(2)
    ]
    torch.manual_seed(11)
    objective.before_step(forward, batches, 0.5)
    terms = [objective.loss(forward, batch, 0.5) for batch in batches]
    return net, torch.rand(4), terms


def test_counting_for_tsa_over_micro_batches_leaves_no_trace(tmp_path: Path) -> None:
    """Running statistics, dropout and so the unlabeled term are those of the same step without TSA."""
    net, drawn, terms = step_of_micro_batches("linear", tmp_path)
    plain, plainly_drawn, plain_terms = step_of_micro_batches("none", tmp_path)
    assert net.norm.num_batches_tracked.item() == 4
    assert torch.equal(net.norm.running_mean, plain.norm.running_mean)
    assert torch.equal(net.norm.running_var, plain.norm.running_var)
    assert torch.equal(drawn, plainly_drawn)
    for mine, theirs in zip(terms, plain_terms, strict=True):
        assert torch.equal(mine["unsupervised"], theirs["unsupervised"])


def test_alignment_uses_the_mean_before_this_step(tmp_path: Path) -> None:
    trainer = build("uda", tmp_path, distribution_alignment=True, distribution_alignment_decay=0.5)
    trainer.model.train()
    forward, batch = trainer.forward_for(trainer.model), first_batch(trainer)
    mean = torch.tensor([softmax(z) for z in logits_of(trainer, batch["unlabeled"]["weak"])]).mean(0)
    prior = torch.bincount(torch.tensor(trainer.train_dataset.labeled["label"]), minlength=3) / 9
    torch.testing.assert_close(trainer.objective.model_mean.value, prior)
    trainer.objective.loss(forward, batch, 0.5)
    torch.testing.assert_close(trainer.objective.model_mean.value, prior)
    trainer.objective.after_step(forward, 0.5)
    torch.testing.assert_close(trainer.objective.model_mean.value, mean, atol=1e-5, rtol=1e-4)


def test_teacher_makes_the_targets_and_is_what_evaluates(tmp_path: Path) -> None:
    trainer = build("uda", tmp_path, teacher_decay=0.9)
    assert trainer.evaluated_model is trainer.objective.teacher.model
    trainer.train()
    student = trainer.accelerator.unwrap_model(trainer.model)
    a, b = student.state_dict(), trainer.evaluated_model.state_dict()
    assert any(not torch.equal(a[name], b[name]) for name in a)
    trainer.save_model(str(tmp_path / "final"))
    saved = type(student).from_pretrained(tmp_path / "final").state_dict()
    measured = type(student).from_pretrained(tmp_path / "checkpoint-4").state_dict()
    beside = type(student).from_pretrained(tmp_path / "checkpoint-4" / "student").state_dict()
    for name in a:
        assert torch.equal(saved[name], b[name]), name
        assert torch.equal(measured[name], b[name]), name
        assert torch.equal(beside[name], a[name]), name


def test_a_second_trainer_on_a_trained_model_has_a_teacher_of_its_own(tmp_path: Path) -> None:
    """accelerate patches ``forward`` onto the student; a copied patch would run the student as teacher."""
    first = build("uda", tmp_path / "a", bf16=True)
    first.train()
    network = first.accelerator.unwrap_model(first.model, keep_fp32_wrapper=True)
    second = type(first)(
        network,
        UDAConfig(output_dir=str(tmp_path / "b"), max_length=16, use_cpu=True, teacher_decay=0.5, report_to=[]),
        train_dataset=first.train_dataset.labeled,
        unlabeled_dataset=first.train_dataset.unlabeled,
        processing_class=first.processing_class,
        augmentations=first.data_collator.augmentations,
    )
    teacher = second.objective.teacher.model
    view = first_batch(second)["labeled"]["weak"]
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(1.0)
        a = teacher(input_ids=view["input_ids"], attention_mask=view["attention_mask"]).logits
        for parameter in network.parameters():
            parameter.sub_(1.0)
        b = network(input_ids=view["input_ids"], attention_mask=view["attention_mask"]).logits
    torch.testing.assert_close(a.float(), b.float(), atol=0.1, rtol=0.1)


def test_entropy_term_is_differentiated_through_the_original(tmp_path: Path) -> None:
    trainer = build("uda", tmp_path, entropy_weight=0.5)
    trainer.model.train()
    batch = first_batch(trainer)
    terms = trainer.objective.loss(trainer.forward_for(trainer.model), batch, 0.5)
    expected = 0.0
    for z in logits_of(trainer, batch["unlabeled"]["weak"]):
        expected -= sum(p * math.log(p) for p in softmax(z)) / 8
    assert terms["entropy"].item() == pytest.approx(expected, abs=1e-5)
    terms["entropy"].backward()
    assert all(p.grad is not None for p in trainer.model.bert.encoder.parameters())


def test_warm_start_is_supervised_training(tmp_path: Path) -> None:
    """While it lasts, UDA equals the supervised method on the same batches."""
    uda = build("uda", tmp_path / "a", warm_start_steps=2, max_steps=4, save_steps=2)
    uda.train()
    supervised = build("supervised", tmp_path / "b", max_steps=2, save_steps=2)
    supervised.train()
    model = type(uda.model).from_pretrained(tmp_path / "a" / "checkpoint-2").state_dict()
    for name, value in supervised.model.state_dict().items():
        assert torch.equal(model[name], value), name


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("threshold", 1.5),
        ("threshold", -0.1),
        ("temperature", 0.0),
        ("temperature", -1.0),
        ("tsa", "quadratic"),
        ("teacher_decay", 1.5),
        ("unlabeled_weight", -1.0),
        ("mu", 0),
        ("warm_start_steps", 4),
    ],
)
def test_settings_out_of_range_are_named(field: str, value: Any, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"{field}: got {value!r}"):
        build("uda", tmp_path, **{field: value})


def test_state_holds_teacher_and_running_mean(tmp_path: Path) -> None:
    state = state_of(build("uda", tmp_path, teacher_decay=0.9, distribution_alignment=True))
    assert any(name.startswith("objective.teacher.model.") for name in state)
    assert any(name.startswith("objective.model_mean.") for name in state)

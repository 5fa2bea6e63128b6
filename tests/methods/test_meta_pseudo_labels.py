"""Meta Pseudo Labels: the teacher's gradient against autograd through the student's step, the rest by hand."""

from __future__ import annotations

import copy
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call
from transformers import pipeline

from tests.contract import tiny_features
from tests.contract.cases import build, first_batch, labeled, model, state_of, tokenizer, unlabeled
from tests.families.test_second_network import conv_net
from textssl import MetaPseudoLabelsConfig, MetaPseudoLabelsTrainer, UserError
from textssl.families.second_network import make_second_network
from textssl.families.teacher_feedback import StoredMicroBatch, copy_trained_weights, log_prob_response
from textssl.forward.backend import Backend
from textssl.forward.base import Forward
from textssl.objective import Task


# Labels that are drawn do not show that the teacher has moved a little.
CONTRACT_FIELDS_WITH: dict[str, Any] = {"feedback": "jvp"}
CONTRACT_VARIANTS: list[dict[str, Any]] = [
    {"feedback": "jvp", "feedback_weight": 3.0, "warm_start_steps": 1, "finetune_steps": 1},
]
CONTRACT_FIELDS: dict[str, Any] = {
    "baseline_decay": (0.99, 0.5, {"feedback": "sampled"}),
    "feedback": ("jvp", "sampled"),
    "feedback_weight": (1.0, 0.0),
    "teacher_learning_rate": (None, 0.0),
}
CONTRACT_ELSEWHERE = {"teacher": "tests/methods/test_meta_pseudo_labels.py::test_a_teacher_may_be_given_or_named"}
STATE = {"baseline", "steps", "teacher", "teacher_optimizer"}
RATE = 0.05


def made(out: Path, modality: str = "features", **settings: Any) -> MetaPseudoLabelsTrainer:
    trainer = build("meta_pseudo_labels", out, modality, **{"learning_rate": RATE, **settings})
    assert isinstance(trainer, MetaPseudoLabelsTrainer)
    return trainer


def caught(trainer: MetaPseudoLabelsTrainer) -> list[list[Tensor]]:
    """The gradients that the teacher's optimizer is handed from here on, in place of its steps."""
    found: list[list[Tensor]] = []
    objective = trainer.objective

    def step(max_norm: float) -> None:
        found.append([torch.zeros_like(p) if p.grad is None else p.grad.clone() for p in objective.trained])
        objective.teacher.zero_grad()

    objective.teacher_optimizer.attach(torch.optim.SGD(objective.trained, lr=1.0), [lambda _: 1.0])
    objective.teacher_optimizer.step = step  # type: ignore[method-assign]
    return found


def step_of(
    trainer: MetaPseudoLabelsTrainer, *batches: dict[str, Any], progress: float = 0.5, head: float = 1.0
) -> None:
    """One optimizer step of both networks, the student's by plain gradient descent, its head's ``head`` times it."""
    objective, forward = trainer.objective, trainer.forward_for(trainer.model)
    objective.before_step(forward, [*batches], progress)
    trainer.model.zero_grad()
    for batch in batches:
        (objective.loss(forward, batch, progress)["loss"] / len(batches)).backward()
    with torch.no_grad():
        for name, p in trainer.model.named_parameters():
            p -= trainer.args.learning_rate * (head if name.startswith("head") else 1.0) * p.grad
    trainer.model.zero_grad()
    objective.after_step(forward, progress)


def flat(tensors: Any) -> Tensor:
    return torch.cat([x.detach().double().flatten() for x in tensors])


def cosine(a: Tensor, b: Tensor) -> float:
    return (a @ b / (a.norm() * b.norm())).item()


def supervised_gradient(trainer: MetaPseudoLabelsTrainer, batch: dict[str, Any]) -> Tensor:
    """Of the teacher's cross entropy on labels alone."""
    teacher = copy.deepcopy(trainer.objective.teacher).requires_grad_(True)
    x, y = batch["labeled"]["weak"]["features"], batch["labeled"]["labels"]
    return flat(torch.autograd.grad(nn.functional.cross_entropy(teacher(x).logits, y), [*teacher.parameters()]))


def exact_gradient(trainer: MetaPseudoLabelsTrainer, batch: dict[str, Any], rate: float, head: float = 1.0) -> Tensor:
    """grad_T L(S'(T)) by autograd through the student's step on soft labels, in float64."""
    teacher = copy.deepcopy(trainer.objective.teacher).double().requires_grad_(True)
    student = copy.deepcopy(trainer.model).double()
    for network in (teacher, student):
        network.forward = as_double(network)  # type: ignore[method-assign]
    u, x = (batch[s][v]["features"].double() for s, v in (("unlabeled", "strong"), ("labeled", "weak")))
    weights = dict(student.named_parameters())
    told = teacher(u).softmax(-1)
    loss = -(told * functional_call(student, weights, (u,)).log_softmax(-1)).sum(-1).mean()
    steps = torch.autograd.grad(loss, [*weights.values()], create_graph=True)
    rates = {name: rate * head if name.startswith("head") else rate for name in weights}
    after = {name: p - rates[name] * g for (name, p), g in zip(weights.items(), steps, strict=True)}
    end = nn.functional.cross_entropy(functional_call(student, after, (x,)), batch["labeled"]["labels"])
    return flat(torch.autograd.grad(end, [*teacher.parameters()]))


def as_double(network: Any) -> Any:
    return lambda x: network.head(network.hidden((x - network.mean) / network.std))


# --- the gradient of the feedback


@pytest.mark.parametrize(("seed", "head"), [(0, 1.0), (1, 1.0), (2, 1.0), (3, 1.0), (0, 5.0)])
def test_the_jvp_is_the_gradient_through_the_students_step(seed: int, head: float, tmp_path: Path) -> None:
    """Also where the head's learning rate is another one."""
    trainer = made(tmp_path, feedback="jvp", feedback_weight=100.0, unlabeled_weight=0.0, seed=seed)
    with torch.no_grad():
        # Heads of ordinary size: drawn anew they are nearly zero.
        trainer.objective.teacher.head.weight.mul_(20)
        trainer.model.head.weight.mul_(20)
    batch, found = first_batch(trainer), caught(trainer)
    exact = exact_gradient(trainer, batch, RATE, head)
    trainer.objective.student_rates = {id(p): head for p in trainer.model.head.parameters()}
    plain = supervised_gradient(trainer, batch)
    step_of(trainer, batch, head=head)
    ours = (flat(found[0]) - plain) / 100
    assert cosine(ours, exact) > 0.999
    assert (ours.norm() / exact.norm()).item() == pytest.approx(1, abs=0.01)


def test_the_jvp_of_two_micro_batches_is_that_of_both(tmp_path: Path) -> None:
    """S' comes of both micro-batches, and so does the labeled loss that each hears of."""
    trainer = made(tmp_path, feedback="jvp", feedback_weight=100.0, unlabeled_weight=0.0)
    batch, found = first_batch(trainer), caught(trainer)
    forward, before = trainer.forward_for(trainer.model), copy.deepcopy(trainer.model.state_dict())
    step_of(trainer, batch)
    trainer.model.load_state_dict(before)
    halves = [
        {s: {k: part(forward, v, rows) for k, v in views.items()} for s, views in batch.items()} for rows in (0, 1)
    ]
    step_of(trainer, *halves)
    torch.testing.assert_close(flat(found[1]), flat(found[0]), rtol=1e-3, atol=1e-6)


def part(forward: Forward, value: Any, number: int) -> Any:
    rows = len(value["lengths"]) // 2 if isinstance(value, dict) else len(value) // 2
    chosen = [*range(number * rows, (number + 1) * rows)]
    return forward.take(value, chosen) if isinstance(value, dict) else value[chosen]


@pytest.mark.slow
@pytest.mark.parametrize("sign", [1, -1], ids=["ours", "of a known port"])
def test_drawn_labels_give_the_gradient_in_the_mean(sign: int, tmp_path: Path) -> None:
    """400 draws with the baseline on; the mean is 1/N of the exact gradient, and the port's new - old its opposite."""
    trainer = made(tmp_path, feedback_weight=1000.0, unlabeled_weight=0.0)
    with torch.no_grad():
        trainer.objective.teacher.head.weight.mul_(20)
        trainer.model.head.weight.mul_(20)
    batch, found, objective = first_batch(trainer), caught(trainer), trainer.objective
    exact, plain = exact_gradient(trainer, batch, RATE), supervised_gradient(trainer, batch)
    measured = objective._measured
    objective._measured = lambda *a: (sign * measured(*a)[0], measured(*a)[1])  # type: ignore[method-assign]
    before = copy.deepcopy(trainer.model.state_dict())
    for _ in range(400):
        trainer.model.load_state_dict(before)
        step_of(trainer, batch)
    count = len(batch["unlabeled"]["index"])
    draws = torch.stack([(flat(g) - plain) / 1000 * count for g in found])
    along = draws @ exact / exact.norm() ** 2
    error = along.std() / len(along) ** 0.5
    assert sign * along.mean() / error > 4
    assert (along.mean() - sign).abs() < 4 * error + 0.05
    assert sign * cosine(draws.mean(0), exact) > 0.7


def test_a_soft_label_of_its_own_teaches_nothing_and_a_drawn_one_does(tmp_path: Path) -> None:
    """The released code multiplies h by the cross entropy of the teacher with its own probabilities."""
    z = torch.randn(8, 3, dtype=torch.float64, requires_grad=True)
    (zero,) = torch.autograd.grad(nn.functional.cross_entropy(z, z.detach().softmax(-1)), z)
    assert zero.abs().max() < 1e-15
    for feedback in ("sampled", "jvp"):
        trainer = made(tmp_path / feedback, feedback=feedback, feedback_weight=100.0, unlabeled_weight=0.0)
        batch, found = first_batch(trainer), caught(trainer)
        plain = supervised_gradient(trainer, batch)
        step_of(trainer, batch)
        assert (flat(found[0]) - plain).norm() > 0.05 * plain.norm()


def test_a_student_that_cannot_learn_more_says_nothing(tmp_path: Path) -> None:
    trainer = made(tmp_path, feedback="jvp")
    batch, forward = first_batch(trainer), trainer.forward_for(trainer.model)
    with torch.no_grad():
        for p in trainer.model.parameters():
            p.zero_()
        # Every label has probability 1 as far as float32 knows.
        batch["labeled"]["labels"].zero_()
        trainer.model.head.bias.copy_(torch.tensor([200.0, 0.0, 0.0]))
    noise = forward.noise()
    micro = StoredMicroBatch(batch, 0.5, student_noise=noise, labeled_noise=noise, before=torch.tensor(0.0))
    gain, (response,) = log_prob_response(forward, [micro], copy_trained_weights(trainer.model))
    assert gain.item() == 0
    assert torch.equal(response, torch.zeros(8, 3))


# --- h, its baseline, and what each loss is made of


def labeled_loss(trainer: MetaPseudoLabelsTrainer, batch: dict[str, Any]) -> float:
    x, y = batch["labeled"]["weak"]["features"], batch["labeled"]["labels"]
    with torch.no_grad():
        return nn.functional.cross_entropy(trainer.model(x).logits, y).item()


@pytest.mark.parametrize("feedback", ["sampled", "jvp"])
def test_h_is_old_minus_new_and_the_baseline_lags_a_step(feedback: str, tmp_path: Path) -> None:
    trainer = made(tmp_path, feedback=feedback, baseline_decay=0.75, unlabeled_weight=0.0, feedback_weight=2.0)
    batch, objective = first_batch(trainer), trainer.objective
    caught(trainer)
    baseline = 0.0
    for _ in range(4):
        before = labeled_loss(trainer, batch)
        x, y = batch["labeled"]["weak"]["features"], batch["labeled"]["labels"]
        with torch.no_grad():
            supervised = nn.functional.cross_entropy(objective.teacher(x).logits, y).item()
            strong = objective.teacher(batch["unlabeled"]["strong"]["features"]).logits
        forward = trainer.forward_for(trainer.model)
        objective.before_step(forward, [batch], 0.5)
        objective.loss(forward, batch, 0.5)
        labels = objective._stored[0].labels
        step_of(trainer, batch)
        h = before - labeled_loss(trainer, batch)
        assert objective.teacher_terms["feedback"].item() == pytest.approx(h, abs=1e-6)
        if feedback == "sampled":
            # The same step and the same examples draw the same labels, and the student learned those.
            assert labels is not None
            term = nn.functional.cross_entropy(strong, labels).item()
            assert objective.teacher_terms["teacher_loss"].item() == pytest.approx(
                supervised + 2 * (h - baseline) * term, abs=1e-5
            )
        baseline = 0.75 * baseline + 0.25 * h
        assert objective.baseline.item() == pytest.approx(baseline, abs=1e-6)


def test_under_one_dropout_a_student_that_stays_gains_nothing(tmp_path: Path) -> None:
    trainer = made(tmp_path, "text", dropout=0.4)
    caught(trainer)
    trainer.args.learning_rate = 0.0
    losses = []
    for _ in range(2):
        step_of(trainer, first_batch(trainer))
        assert trainer.objective.teacher_terms["feedback"].item() == 0.0
        losses.append(trainer.objective.teacher_terms["teacher_supervised"].item())
    assert trainer.model.training


@pytest.mark.parametrize("feedback", ["sampled", "jvp"])
def test_the_teacher_learns_the_same_whether_its_graph_is_kept_or_not(feedback: str, tmp_path: Path) -> None:
    """With dropout: the second pass meets that of the first."""
    trainer = made(tmp_path, "text", dropout=0.3, feedback=feedback, feedback_weight=10.0)
    batch, found, objective = first_batch(trainer), caught(trainer), trainer.objective
    before = copy.deepcopy(trainer.model.state_dict())
    started = objective.before_step
    for count in (1, 2):
        trainer.model.load_state_dict(before)
        objective.steps.zero_()
        objective.baseline.zero_()
        objective.before_step = lambda f, b, p, n=count: started(f, b * n, p)  # type: ignore[method-assign]
        torch.manual_seed(4)
        step_of(trainer, batch)
    assert flat(found[0]).norm() > 0
    torch.testing.assert_close(flat(found[0]), flat(found[1]), rtol=1e-4, atol=1e-6)


def test_a_step_leaves_the_student_as_it_is_to_the_bit(tmp_path: Path) -> None:
    trainer = made(tmp_path, "text", dropout=0.3, feedback="jvp")
    batch, forward = first_batch(trainer), trainer.forward_for(trainer.model)
    caught(trainer)
    trainer.objective.before_step(forward, [batch], 0.5)
    trainer.objective.loss(forward, batch, 0.5)
    before = [(p, p.data_ptr(), p.detach().clone()) for p in trainer.model.parameters()]
    trainer.objective.after_step(forward, 0.5)
    for p, place, value in before:
        assert p.data_ptr() == place
        assert torch.equal(p, value)
        assert p.grad is None
    assert not trainer.objective._stored
    assert not trainer.objective._origin


def test_the_student_is_probed_under_the_dropout_that_it_learned_with(tmp_path: Path) -> None:
    trainer = made(tmp_path, "text", dropout=0.4, feedback="jvp")
    batch, forward, objective = first_batch(trainer), trainer.forward_for(trainer.model), trainer.objective
    objective.before_step(forward, [batch], 0.5)
    loss = objective.loss(forward, batch, 0.5)["loss"]
    (micro,) = objective._stored
    with torch.no_grad():
        (again,) = forward(batch["unlabeled"]["strong"], noise=micro.student_noise)
        assert micro.strong is not None
        torch.testing.assert_close(nn.functional.cross_entropy(again, micro.strong.softmax(-1)), loss)
    responses = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        responses.append(log_prob_response(forward, [micro], objective._origin)[1][0])
    assert torch.equal(*responses)
    assert responses[0].abs().sum() > 0


@pytest.mark.parametrize("feedback", ["sampled", "jvp"])
def test_the_student_sees_no_label_and_the_teacher_none_of_its_loss(feedback: str, tmp_path: Path) -> None:
    trainer = made(tmp_path, feedback=feedback)
    batch, forward = first_batch(trainer), trainer.forward_for(trainer.model)
    gradients = []
    for shift in (0, 1):
        batch["labeled"]["labels"] = (batch["labeled"]["labels"] + shift) % 3
        trainer.model.zero_grad()
        trainer.objective.before_step(forward, [batch], 0.5)
        terms = trainer.objective.loss(forward, batch, 0.5)
        terms["loss"].backward()
        gradients.append((terms["loss"].item(), flat(p.grad for p in trainer.model.parameters())))
        assert not terms["supervised"].requires_grad
    assert gradients[0][0] == gradients[1][0]
    assert torch.equal(gradients[0][1], gradients[1][1])
    assert all(p.grad is None and not p.requires_grad for p in trainer.objective.teacher.parameters())


def test_the_student_learns_what_the_teacher_said_by_hand(tmp_path: Path) -> None:
    for feedback in ("sampled", "jvp"):
        trainer = made(tmp_path / feedback, feedback=feedback)
        batch, forward = first_batch(trainer), trainer.forward_for(trainer.model)
        trainer.objective.before_step(forward, [batch], 0.5)
        loss = trainer.objective.loss(forward, batch, 0.5)["loss"].item()
        with torch.no_grad():
            u = batch["unlabeled"]["strong"]["features"]
            told, own = trainer.objective.teacher(u).logits.softmax(-1), trainer.model(u).logits.log_softmax(-1)
        labels = trainer.objective._stored[0].labels
        targets = told if labels is None else torch.eye(3)[labels]
        assert loss == pytest.approx(-(targets * own).sum(-1).mean().item(), abs=1e-6)


def softmax(z: list[float], temperature: float = 1.0) -> list[float]:
    e = [math.exp(v / temperature) for v in z]
    return [v / sum(e) for v in e]


def test_udas_term_is_masked_after_it_was_sharpened(tmp_path: Path) -> None:
    """A naive loop; some targets pass that would not have passed before."""
    trainer = made(tmp_path, temperature=0.5, threshold=0.6, unlabeled_weight=4.0, feedback_weight=0.0, rampup=0.8)
    batch = first_batch(trainer)
    with torch.no_grad():
        trainer.objective.teacher.head.weight.mul_(15)
        teacher = trainer.objective.teacher
        weak, strong = (teacher(batch["unlabeled"][v]["features"]).logits.tolist() for v in ("weak", "strong"))
        x, y = batch["labeled"]["weak"]["features"], batch["labeled"]["labels"]
        supervised = nn.functional.cross_entropy(teacher(x).logits, y).item()
    divergence, kept, unsharpened = 0.0, 0, 0
    for z, s in zip(weak, strong, strict=True):
        q, p = softmax(z, 0.5), softmax(s)
        unsharpened += max(softmax(z)) >= 0.6
        if max(q) >= 0.6:
            kept += 1
            divergence += sum(a * (math.log(a) - math.log(b)) for a, b in zip(q, p, strict=True))
    assert 0 < unsharpened < kept < 8
    caught(trainer)
    step_of(trainer, batch, progress=0.2)
    told = trainer.objective.teacher_terms
    assert told["teacher_unsupervised"].item() == pytest.approx(divergence / 8, abs=1e-5)
    assert told["mask_rate"].item() == kept / 8
    # A quarter of the ramp.
    assert told["teacher_loss"].item() == pytest.approx(supervised + 4 * 0.25 * divergence / 8, abs=1e-5)
    assert told["feedback"].item() == 0


def test_labels_are_drawn_by_their_probability_anew_each_step_and_for_each_seed(tmp_path: Path) -> None:
    trainer = made(tmp_path, per_device_train_batch_size=9, mu=4)
    batch, forward, objective = first_batch(trainer), trainer.forward_for(trainer.model), trainer.objective
    drawn = []
    for step in range(300):
        objective.steps.fill_(step)
        objective.before_step(forward, [batch], 0.5)
        objective.loss(forward, batch, 0.5)
        drawn.append(objective._stored[0].labels)
    counts = torch.stack([nn.functional.one_hot(d, 3) for d in drawn]).double().mean(0)
    with torch.no_grad():
        probs = objective.teacher(batch["unlabeled"]["strong"]["features"]).logits.softmax(-1).double()
    assert ((counts - probs) / (probs * (1 - probs) / 300).sqrt()).abs().max() < 4.5
    objective.steps.zero_()
    objective.config.seed += 1
    objective.before_step(forward, [batch], 0.5)
    objective.loss(forward, batch, 0.5)
    assert not torch.equal(objective._stored[0].labels, drawn[0])


# --- a run


def test_a_teacher_without_a_learning_rate_stays(tmp_path: Path) -> None:
    trainer = made(tmp_path, "text", teacher_learning_rate=0.0, warm_start_steps=1, weight_decay=0.1)
    before = copy.deepcopy(trainer.objective.teacher.state_dict())
    trainer.train()
    assert trainer.objective.teacher_optimizer.steps == 4
    assert all(torch.equal(before[n], v) for n, v in trainer.objective.teacher.state_dict().items())


def test_the_teachers_optimizer_has_trainers_groups_and_a_schedule_of_its_own(tmp_path: Path) -> None:
    trainer = made(
        tmp_path, "text", optim="adamw_torch", weight_decay=0.1, adam_beta1=0.8, teacher_learning_rate=0.02,
        warm_start_steps=2, warm_start_learning_rate=0.04, finetune_steps=2, max_steps=8, lr_scheduler_type="linear",
    )  # fmt: skip
    trainer.create_scheduler(8, trainer.create_optimizer())
    own = trainer.objective.teacher_optimizer
    assert isinstance(own.optimizer, torch.optim.AdamW)
    names = {id(p): n for n, p in trainer.objective.teacher.named_parameters()}
    decayed = set(trainer.get_decay_parameter_names(trainer.model))
    for group in own.optimizer.param_groups:
        assert group["betas"][0] == 0.8
        assert {names[id(p)] in decayed for p in group["params"]} == {group["weight_decay"] == 0.1}
    assert sum(len(group["params"]) for group in own.optimizer.param_groups) == len(names)
    rates = []
    for _ in range(6):
        own.step()
        rates.append(own.optimizer.param_groups[0]["lr"])
    assert rates == pytest.approx([0.04, 0.04, 0.02, 0.015, 0.01, 0.005])


@pytest.mark.slow
def test_in_the_warm_start_the_teacher_alone_learns_and_in_the_end_the_student(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"optim": "adamw_torch", "learning_rate": 1e-3, "save_steps": 1, "logging_steps": 1}
    trainer = made(tmp_path, "text", warm_start_steps=2, finetune_steps=2, max_steps=6, **settings)
    states = [state_of(trainer)]
    trainer.train()
    for step in range(1, 7):
        again = made(tmp_path / "again", "text", warm_start_steps=2, finetune_steps=2, max_steps=6, **settings)
        again._load_from_checkpoint(str(tmp_path / f"checkpoint-{step}"))
        again.create_scheduler(6, again.create_optimizer())
        again._load_optimizer_and_scheduler(str(tmp_path / f"checkpoint-{step}"))
        states.append(state_of(again))
    moved = [
        {kind: any(not torch.equal(a[n], b[n]) for n in a if n.startswith(kind)) for kind in ("model.", "objective.")}
        for a, b in zip([*states[:1], *states[1:-1]], states[1:], strict=True)
        if a.keys() == b.keys()
    ]
    assert [m["model."] for m in moved[-5:]] == [False, True, True, True, True]
    assert [m["objective."] for m in moved[-5:]] == [True, True, True, False, False]
    assert all(torch.equal(states[0][n], states[2][n]) for n in states[0] if n.startswith("model."))
    # Adam's very first step is its learning rate; counted from the warm start it would be three times that.
    first = states[3]["model.classifier.weight"] - states[2]["model.classifier.weight"]
    assert first.abs().max().item() == pytest.approx(1e-3, rel=0.01)
    rows = [row for row in trainer.state.log_history if "learning_rate" in row]
    assert [row["learning_rate"] for row in rows] == pytest.approx([0, 0, 1e-3, 1e-3, 1e-3, 5e-4])
    assert ["ssl/teacher_supervised" in row for row in rows] == [True] * 4 + [False] * 2
    assert ["ssl/feedback" in row for row in rows] == [False] * 2 + [True] * 2 + [False] * 2


@pytest.mark.slow
@pytest.mark.parametrize("feedback", ["sampled", "jvp"])
def test_a_run_goes_on_from_any_step(feedback: str, tmp_path: Path) -> None:
    """Across the boundaries of the warm start and the fine-tuning, with two optimizers that remember."""
    settings: dict[str, Any] = {
        "optim": "adamw_torch", "dropout": 0.1, "save_steps": 1, "max_steps": 7, "warm_start_steps": 2,
        "finetune_steps": 2, "feedback": feedback, "gradient_accumulation_steps": 2, "max_grad_norm": 1.0,
        "lr_scheduler_type": "cosine", "per_device_train_batch_size": 2,
    }  # fmt: skip
    whole = made(tmp_path / "whole", "text", **settings)
    whole.train()
    for step in range(1, 7):
        torch.manual_seed(99)
        resumed = made(tmp_path / str(step), "text", **settings)
        resumed.train(resume_from_checkpoint=str(tmp_path / "whole" / f"checkpoint-{step}"))
        a, b = state_of(whole), state_of(resumed)
        assert a.keys() == b.keys()
        assert all(torch.equal(a[name], b[name]) for name in a), step


def test_a_run_that_had_ended_is_read_without_an_optimizer(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"optim": "adamw_torch", "save_steps": 4}
    whole = made(tmp_path, "text", **settings)
    whole.train()
    again = made(tmp_path, "text", **settings)
    again.train(resume_from_checkpoint=True)
    a, b = state_of(whole), state_of(again)
    assert a.keys() == b.keys()
    assert all(torch.equal(a[name], b[name]) for name in a)


def test_the_student_is_what_is_saved(tmp_path: Path) -> None:
    trainer = made(tmp_path, "text", save_strategy="no")
    trainer.train()
    trainer.save_model(str(tmp_path / "final"))
    text = labeled(1, seed=8)["text"][0]
    told = pipeline("text-classification", model=str(tmp_path / "final"), tokenizer=tokenizer(), top_k=None)([text])
    encoded = tokenizer()(text, return_tensors="pt")
    with torch.no_grad():
        probs = trainer.model.eval()(**encoded).logits.softmax(-1)[0]
    assert sorted(row["score"] for row in told[0]) == pytest.approx(sorted(probs.tolist()), abs=1e-5)
    assert trainer.evaluated_model is trainer.accelerator.unwrap_model(trainer.model)


def test_batch_norms_move_once_and_measuring_moves_none() -> None:
    student = conv_net()
    config = MetaPseudoLabelsConfig(
        output_dir="none", use_cpu=True, report_to=[], feedback="jvp", unlabeled_weight=1.0, temperature=1.0,
        threshold=0.0,
    )  # fmt: skip
    objective = MetaPseudoLabelsTrainer.objective_class(config, Task(4, 4, 8, (0.25,) * 4))
    objective.bind(student)
    objective.teacher_optimizer.attach(torch.optim.SGD(objective.trained, lr=0.1), [lambda _: 1.0])
    views = {name: {"pixel_values": torch.randn(n, 1, 8, 8), "lengths": [1] * n} for name, n in (("l", 4), ("u", 8))}
    batch = {
        "labeled": {"weak": views["l"], "labels": torch.arange(4), "index": torch.arange(4)},
        "unlabeled": {"weak": views["u"], "strong": views["u"], "index": torch.arange(8)},
    }
    forward = Forward(student, student, Rows())
    count = [m.num_batches_tracked.item() for m in (student.net[1], objective.teacher.net[1])]
    for micro_batches in (1, 2):
        objective.before_step(forward, [batch] * micro_batches, 0.5)
        for _ in range(micro_batches):
            objective.loss(forward, batch, 0.5)
        objective.after_step(forward, 0.5)
        count = [count[0] + micro_batches, count[1] + 3 * micro_batches]
        assert [m.num_batches_tracked.item() for m in (student.net[1], objective.teacher.net[1])] == count


class Rows(Backend):
    """Images that need no joining."""

    def size(self, inputs: dict[str, Any]) -> int:
        return len(inputs["lengths"])


# --- a teacher that is given, and what is refused


def with_teacher(out: Path, teacher: Any = None, processing_class: Any = None, **settings: Any) -> Any:
    config = MetaPseudoLabelsConfig(
        output_dir=str(out), max_steps=2, max_length=16, use_cpu=True, report_to=[], disable_tqdm=True,
        per_device_train_batch_size=4, save_strategy="no", **settings,
    )  # fmt: skip
    augmentations: Any = {"strong": lambda example, rng: example}
    return MetaPseudoLabelsTrainer(
        model(), config, labeled(), unlabeled(), None, tokenizer(), augmentations, teacher=teacher,
        teacher_processing_class=processing_class,
    )  # fmt: skip


def test_a_teacher_may_be_given_or_named(tmp_path: Path) -> None:
    teacher = model(seed=5)
    teacher.save_pretrained(tmp_path / "teacher")
    tokenizer().save_pretrained(tmp_path / "teacher")
    before = copy.deepcopy(teacher.state_dict())
    given = with_teacher(tmp_path / "a", teacher, tokenizer())
    assert given.objective.teacher is teacher
    named = with_teacher(tmp_path / "b", **{"teacher_learning_rate": 1e-3}, **{"teacher": None})
    assert not torch.equal(named.objective.teacher.classifier.weight, before["classifier.weight"])
    config = {"output_dir": str(tmp_path / "c"), "max_length": 16, "use_cpu": True, "report_to": []}
    args = MetaPseudoLabelsConfig(**config, teacher=str(tmp_path / "teacher"))
    named = MetaPseudoLabelsTrainer(model(), args, labeled(), unlabeled(), None, tokenizer())
    for name, value in named.objective.teacher.state_dict().items():
        assert torch.equal(value, before[name]), name
    given.train()
    assert {name.split(".")[0] for name in given.objective.state_dict()} == STATE
    assert not torch.equal(teacher.classifier.weight, before["classifier.weight"])
    assert torch.equal(teacher.classifier.weight, given.objective.state_dict()["teacher.classifier.weight"])


def test_by_default_the_teacher_has_the_students_encoder_and_another_head(tmp_path: Path) -> None:
    trainer = with_teacher(tmp_path)
    own = make_second_network(trainer.model, trainer.args.seed).state_dict()
    assert all(torch.equal(v, own[n]) for n, v in trainer.objective.teacher.state_dict().items())


def test_teachers_that_cannot_teach_are_refused_before_training(tmp_path: Path) -> None:
    other = model()
    other.config.id2label = {0: "b", 1: "a", 2: "c"}
    with pytest.raises(UserError, match="teacher: its labels are b, a, c"):
        with_teacher(tmp_path, other)
    other = copy.deepcopy(tokenizer())
    other.add_tokens(["w60"])
    with pytest.raises(UserError, match="teacher: its tokenizer is another"):
        with_teacher(tmp_path, model(), other)
    with pytest.raises(UserError, match=r"teacher: FeatureClassifier takes 'features'"):
        with_teacher(tmp_path, tiny_features.model())
    with pytest.raises(UserError, match=r"teacher: .*cannot be loaded"):
        MetaPseudoLabelsTrainer(
            model(),
            MetaPseudoLabelsConfig(str(tmp_path), teacher=str(tmp_path), use_cpu=True, report_to=[], max_length=16),
            labeled(), unlabeled(), None, tokenizer(),
        )  # fmt: skip
    student = model()
    args = MetaPseudoLabelsConfig(str(tmp_path), use_cpu=True, report_to=[], max_length=16)
    with pytest.raises(UserError, match="teacher: got the model itself"):
        MetaPseudoLabelsTrainer(student, args, labeled(), unlabeled(), None, tokenizer(), teacher=student)
    with pytest.raises(UserError, match="unlabeled_dataset: got None"):
        MetaPseudoLabelsTrainer(student, args, labeled(), None, None, tokenizer())
    with pytest.raises(UserError, match="train_dataset"):
        MetaPseudoLabelsTrainer(student, args, labeled().select([]), unlabeled(), None, tokenizer())


def test_a_teacher_of_shorter_texts_or_other_features_is_refused(tmp_path: Path) -> None:
    short = model()
    short.config.max_position_embeddings = 8
    with pytest.raises(UserError, match="teacher: it takes 8 tokens; max_length is 16"):
        with_teacher(tmp_path, short)
    wide = tiny_features.model()
    wide.config.input_size = 5
    args = MetaPseudoLabelsConfig(str(tmp_path), use_cpu=True, report_to=[])
    data = tiny_features.dataset(9, 1), tiny_features.dataset(40, 2, labels=False)
    with pytest.raises(UserError, match="teacher: its input_size is 5; that of the model is 16"):
        MetaPseudoLabelsTrainer(tiny_features.model(), args, *data, teacher=wide)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"feedback": "argmax"}, "feedback: got 'argmax'; allowed: sampled, jvp"),
        ({"feedback_weight": -1.0}, "feedback_weight: got -1.0; expected 0 or more"),
        ({"baseline_decay": 1.0}, r"baseline_decay: got 1.0; expected a number in \[0, 1\)"),
        ({"unlabeled_weight": -1.0}, "unlabeled_weight: got -1.0"),
        ({"temperature": 0.0}, "temperature: got 0.0; expected a number above 0"),
        ({"threshold": 1.5}, "threshold: got 1.5"),
        ({"rampup": 2.0}, "rampup: got 2.0"),
        ({"teacher_learning_rate": -0.1}, "teacher_learning_rate: got -0.1"),
    ],
)
def test_settings_out_of_range_are_named(settings: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message):
        MetaPseudoLabelsConfig(output_dir=str(tmp_path), use_cpu=True, report_to=[], **settings)


def test_fp16_and_optimizers_that_cannot_be_doubled_are_refused(tmp_path: Path) -> None:
    trainer = made(tmp_path, "text")
    trainer.args.fp16 = True
    with pytest.raises(UserError, match="fp16: got True; nobody scales"):
        MetaPseudoLabelsTrainer(model(), trainer.args, labeled(), unlabeled(), None, tokenizer())
    trainer = made(tmp_path, "text", lr_scheduler_type="reduce_lr_on_plateau", eval_strategy="steps")
    with pytest.raises(UserError, match="lr_scheduler_type: got one that makes ReduceLROnPlateau"):
        trainer.train()


@pytest.mark.parametrize(("modality", "weight"), [("text", 1.0), ("image", 8.0), ("features", 1.0)])
def test_open_fields_take_the_values_of_the_modality(modality: str, weight: float, tmp_path: Path) -> None:
    trainer = made(tmp_path, modality)
    assert trainer.args.unlabeled_weight == weight
    assert trainer.args.temperature == (1.0 if modality == "text" else 0.7)
    assert trainer.args.threshold == (0.0 if modality == "text" else 0.6)
    assert np.isclose(trainer.args.rampup, 5 / 300)

"""What every method must do, merely by existing."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import PreTrainedModel

from tests.contract.cases import Variant, build, first_batch, has, state_of, variants
from tests.contract.ddp_jobs import stopped, trained, trained_adapters
from tests.contract.tiny_texts import CLASSES
from tests.ddp.pool import TwoProcesses
from textssl.methods import METHODS
from textssl.training.dataset_scores import score
from textssl.training.trainer import SSLTrainer


VARIANTS = variants()
# What is settled by the loss itself needs no second modality.
TEXT = [variant for variant in VARIANTS if variant[1] == "text"]
SEMI = [variant for variant in VARIANTS if "unlabeled" in METHODS[variant[0]].objective_class.views]


def over(variants: list[Variant]) -> pytest.MarkDecorator:
    names = [f"{method}-{modality}-{json.dumps(settings)}" for method, modality, settings in variants]
    return pytest.mark.parametrize(("method", "modality", "settings"), variants, ids=names)


every_variant = over(VARIANTS)
semi_supervised = over(SEMI)


def assert_same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> None:
    assert a.keys() == b.keys()
    for name in a:
        assert torch.equal(a[name], b[name]), name


def assert_close(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> None:
    assert a.keys() == b.keys()
    for name in a:
        torch.testing.assert_close(a[name], b[name], atol=2e-5, rtol=1e-3, msg=lambda m, n=name: f"{n}: {m}")


def terms_of(trainer: Any, batch: Any = None, progress: float = 0.5) -> dict[str, Any]:
    """Terms of one batch; what is drawn at random in it is drawn from the same seed each time."""
    torch.manual_seed(7)
    trainer.model.train()
    batch = first_batch(trainer) if batch is None else batch
    forward = trainer.forward_for(trainer.model)
    if trainer.objective.scored is not None:
        trainer.objective.before_epoch(score(trainer), progress)
    trainer.objective.before_step(forward, [batch], progress)
    return trainer.objective.loss(forward, batch, progress)


@every_variant
def test_trains_and_every_parameter_moves(method: str, modality: str, settings: dict, tmp_path: Path) -> None:
    trainer = build(method, tmp_path, modality, dropout=0.1, save_strategy="no", **settings)
    before = {name: p.detach().clone() for name, p in trainer.model.named_parameters()}
    trainer.train()
    for name, parameter in trainer.model.named_parameters():
        assert torch.isfinite(parameter).all(), name
        # A key bias shifts all scores of a query alike, which softmax does not see.
        if not name.endswith("key.bias"):
            assert not torch.equal(before[name], parameter), name
    logged = [row for row in trainer.state.log_history if "loss" in row]
    assert {"ssl/loss", "ssl/supervised"} <= logged[-1].keys()


@semi_supervised
def test_unlabeled_term_alone_moves_the_encoder(method: str, modality: str, settings: dict, tmp_path: Path) -> None:
    """After some steps: what an example was to the model before, or to its teacher, must have come to differ."""
    kept = {"threshold": 0.0} if has(method, "threshold") else {}
    trainer = build(method, tmp_path, modality, **{**settings, **kept, "max_steps": 6, "save_strategy": "no"})
    trainer.train()
    trainer.model.zero_grad()
    terms_of(trainer)["unsupervised"].backward()
    for name, parameter in trainer.model.named_parameters():
        if not name.endswith("key.bias"):
            assert parameter.grad is not None, name
            assert parameter.grad.abs().sum() > 0, name


def remembers(trainer: SSLTrainer) -> bool:
    """Whether a run is more than a model, its optimizer and the number of steps, so that each step may resume apart.

    It is where the objective has state, which the rates of an augmentation that adapts are part of; where it looks at
    all examples now and then; and where a run has other steps than the method's own.
    """
    args, objective = trainer.args, trainer.objective
    return bool(objective.state_dict() or objective.scored or args.warm_start_steps or args.finetune_steps)


@every_variant
def test_resume_is_exact(method: str, modality: str, settings: dict, tmp_path: Path) -> None:
    """After any step where the run remembers something (see ``remembers``), else after the middle one.

    Dropout on, batches that span passes over the data, an epoch that ends mid-run.
    """
    common = {"dropout": 0.1, "save_steps": 1, "per_device_train_batch_size": 7, **settings}
    whole = build(method, tmp_path / "whole", modality, **common)
    whole.train()
    for step in (1, 2, 3) if remembers(whole) else (2,):
        torch.manual_seed(99)
        resumed = build(method, tmp_path / str(step), modality, **{**common, "save_strategy": "no"})
        resumed.train(resume_from_checkpoint=str(tmp_path / "whole" / f"checkpoint-{step}"))
        assert_same(state_of(whole), state_of(resumed))


@every_variant
def test_evaluation_changes_no_state(method: str, modality: str, settings: dict, tmp_path: Path) -> None:
    trainer = build(method, tmp_path, modality, save_strategy="no", **settings)
    trainer.train()
    before = state_of(trainer)
    metrics = trainer.evaluate()
    assert 0 <= metrics["eval_accuracy"] <= 1
    assert_same(before, state_of(trainer))


@over([variant for variant in VARIANTS if not METHODS[variant[0]].objective_class.mixes_examples])
def test_accumulation_equals_the_large_batch(method: str, modality: str, settings: dict, tmp_path: Path) -> None:
    common = {**settings, "save_strategy": "no"}
    large = build(method, tmp_path / "a", modality, per_device_train_batch_size=8, **common)
    small = build(
        method, tmp_path / "b", modality, per_device_train_batch_size=4, gradient_accumulation_steps=2, **common
    )
    large.train()
    small.train()
    assert_close(state_of(large), state_of(small))


@every_variant
def test_bf16_runs(method: str, modality: str, settings: dict, tmp_path: Path) -> None:
    trainer = build(method, tmp_path, modality, bf16=True, save_strategy="no", **settings)
    assert torch.isfinite(torch.tensor(trainer.train().training_loss))
    assert trainer.evaluate()["eval_loss"] > 0


@over(TEXT)
def test_padding_changes_nothing(method: str, modality: str, settings: dict, tmp_path: Path) -> None:
    trainer = build(method, tmp_path, modality, **settings)
    batch = first_batch(trainer)
    wide = {
        stream: {k: widened(v) if isinstance(v, dict) else v for k, v in views.items()}
        for stream, views in batch.items()
    }
    # A perturbation found by a small probe shows rounding 1/xi times as large.
    precision = {"rtol": 1e-3, "atol": 1e-5} if trainer.objective.perturbs_inputs else {}
    torch.testing.assert_close(terms_of(trainer, batch)["loss"], terms_of(trainer, wide)["loss"], **precision)


def widened(view: dict[str, Any]) -> dict[str, Any]:
    pad = torch.nn.functional.pad
    # Lengths as long as the padded width: no pass may cut the padding off again.
    return {
        "input_ids": pad(view["input_ids"], (0, 4)),
        "attention_mask": pad(view["attention_mask"], (0, 4)),
        "lengths": [view["input_ids"].shape[1] + 4] * len(view["lengths"]),
    }


@over([variant for variant in SEMI if not METHODS[variant[0]].objective_class.mixes_examples])
def test_order_of_the_unlabeled_batch_changes_nothing(
    method: str, modality: str, settings: dict, tmp_path: Path
) -> None:
    trainer = build(method, tmp_path, modality, **settings)
    batch = first_batch(trainer)
    forward = trainer.forward_for(trainer.model)
    order = torch.randperm(8, generator=torch.Generator().manual_seed(0)).tolist()
    shuffled = {k: forward.take(v, order) if isinstance(v, dict) else v[order] for k, v in batch["unlabeled"].items()}
    a, b = terms_of(trainer, batch), terms_of(trainer, {**batch, "unlabeled": shuffled})
    torch.testing.assert_close(a["loss"], b["loss"])


@semi_supervised
def test_no_gradient_reaches_the_targets(method: str, modality: str, settings: dict, tmp_path: Path) -> None:
    """What the objective remembers is not trained; a head or a second network is, and no other gradient is in it."""
    trainer = build(method, tmp_path, modality, **settings)
    trained = {name for name, p in trainer.objective.named_parameters() if p.requires_grad}
    assert all(name.startswith(("head.", "peer.")) for name in trained)
    terms_of(trainer)["loss"].backward()
    for name, parameter in trainer.objective.named_parameters():
        assert (parameter.grad is not None) == (name in trained), name


@semi_supervised
def test_twice_the_classes_do_not_double_the_term(method: str, modality: str, settings: dict, tmp_path: Path) -> None:
    """Classes that nothing is ever near to: a mean over classes is halved, a divergence stays."""
    trainer = build(method, tmp_path, modality, **settings)
    batch = first_batch(trainer)
    unsupervised = []
    for extra in (0, CLASSES):
        widen_head(trainer.model, extra)
        if "probs" in batch["unlabeled"]:
            batch["unlabeled"]["probs"] = torch.nn.functional.pad(batch["unlabeled"]["probs"], (0, extra))
        task = trainer.objective.task
        wide = replace(task, num_labels=CLASSES + extra, class_prior=(*task.class_prior, *[0.0] * extra))
        if "class_prior" in settings:
            trainer.args.class_prior = [*settings["class_prior"], *[0.0] * extra]
        trainer.objective = trainer.objective_class(trainer.args, wide)
        trainer.objective.check_model(trainer.backend, trainer.model)
        trainer.objective.bind(trainer.model)
        for network in trainer.objective.children():
            # A second network's head is drawn anew, and would think classes near that the student does not.
            if isinstance(network, PreTrainedModel):
                network.load_state_dict(trainer.model.state_dict())
        # Some methods know nothing of an example before its first visit.
        for _ in range(2):
            term = terms_of(trainer, batch)["unsupervised"].item()
            trainer.objective.after_step(trainer.forward_for(trainer.model), 0.5)
        unsupervised.append(term)
    assert unsupervised[1] == pytest.approx(unsupervised[0], rel=1e-3) or unsupervised[1] == pytest.approx(
        unsupervised[0] / 2, rel=1e-3
    )


def widen_head(model: torch.nn.Module, extra: int) -> None:
    head = [m for m in model.modules() if isinstance(m, torch.nn.Linear)][-1]
    rows = torch.zeros(extra, head.in_features)
    head.weight = torch.nn.Parameter(torch.cat([head.weight.detach(), rows]))
    head.bias = torch.nn.Parameter(torch.cat([head.bias.detach(), torch.full((extra,), -60.0)]))
    head.out_features = CLASSES + extra
    model.num_labels = CLASSES + extra


@every_variant
def test_two_processes_hold_one_state_and_equal_one(
    method: str, modality: str, settings: dict, two_processes: TwoProcesses, tmp_path: Path
) -> None:
    """One process has a batch of 8 and two have 4 each; where examples are mixed, two equal each other alone."""
    variant = {"method": method, "modality": modality, "settings": settings}
    states = two_processes.run(trained, **variant, out=tmp_path / "two", batch=4)
    assert_same(*states)
    if not METHODS[method].objective_class.mixes_examples:
        assert_close(states[0], trained(**variant, out=tmp_path / "one", batch=8))


def test_two_processes_train_adapters_as_one_does(two_processes: TwoProcesses, tmp_path: Path) -> None:
    states = two_processes.run(trained_adapters, out=tmp_path / "two", batch=4)
    assert_same(*states)
    assert_close(states[0], trained_adapters(tmp_path / "one", batch=8))


def test_processes_stop_together_where_the_loss_of_one_is_not_finite(
    two_processes: TwoProcesses, tmp_path: Path
) -> None:
    for told in (*two_processes.run(stopped, out=tmp_path / "two", batch=4), stopped(tmp_path / "one", batch=8)):
        assert "the loss of step 1 is not finite (ssl/loss nan" in told

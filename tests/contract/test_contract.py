"""What every method must do, merely by existing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from tests.contract.cases import build, first_batch, has, state_of, variants
from textssl.methods import METHODS


VARIANTS = variants()
every_variant = pytest.mark.parametrize(
    ("method", "settings"), VARIANTS, ids=[f"{m}-{json.dumps(s)}" for m, s in VARIANTS]
)
SEMI = [(m, s) for m, s in VARIANTS if "unlabeled" in METHODS[m].objective_class.views]
semi_supervised = pytest.mark.parametrize(("method", "settings"), SEMI, ids=[f"{m}-{json.dumps(s)}" for m, s in SEMI])


def assert_same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> None:
    assert a.keys() == b.keys()
    for name in a:
        assert torch.equal(a[name], b[name]), name


def assert_close(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> None:
    assert a.keys() == b.keys()
    for name in a:
        torch.testing.assert_close(a[name], b[name], atol=2e-5, rtol=1e-3, msg=lambda m, n=name: f"{n}: {m}")


def terms_of(trainer: Any, batch: Any = None, progress: float = 0.5) -> dict[str, Any]:
    trainer.model.train()
    batch = first_batch(trainer) if batch is None else batch
    forward = trainer.forward_for(trainer.model)
    trainer.objective.before_step(forward, [batch], progress)
    return trainer.objective.loss(forward, batch, progress)


@every_variant
def test_trains_and_every_parameter_moves(method: str, settings: dict, tmp_path: Path) -> None:
    trainer = build(method, tmp_path, dropout=0.1, **settings)
    before = {name: p.detach().clone() for name, p in trainer.model.named_parameters()}
    trainer.train()
    for name, parameter in trainer.model.named_parameters():
        assert torch.isfinite(parameter).all(), name
        # A key bias shifts all scores of a query alike, which softmax does not see.
        if not name.endswith("attention.self.key.bias"):
            assert not torch.equal(before[name], parameter), name
    logged = [row for row in trainer.state.log_history if "loss" in row]
    assert {"ssl/loss", "ssl/supervised"} <= logged[-1].keys()


@semi_supervised
def test_unlabeled_term_alone_moves_the_encoder(method: str, settings: dict, tmp_path: Path) -> None:
    trainer = build(method, tmp_path, **{**settings, **({"threshold": 0.0} if has(method, "threshold") else {})})
    terms_of(trainer)["unsupervised"].backward()
    for name, parameter in trainer.model.named_parameters():
        if not name.endswith("attention.self.key.bias"):
            assert parameter.grad is not None, name
            assert parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize("step", [1, 2, 3])
@every_variant
def test_resume_is_exact(method: str, settings: dict, step: int, tmp_path: Path) -> None:
    """Dropout on, batches that span passes over the data, an epoch that ends mid-run."""
    common = {"dropout": 0.1, "save_steps": 1, "per_device_train_batch_size": 7, **settings}
    whole = build(method, tmp_path / "a", **common)
    whole.train()
    torch.manual_seed(99)
    resumed = build(method, tmp_path / "b", **common)
    resumed.train(resume_from_checkpoint=str(tmp_path / "a" / f"checkpoint-{step}"))
    assert_same(state_of(whole), state_of(resumed))


@every_variant
def test_evaluation_changes_no_state(method: str, settings: dict, tmp_path: Path) -> None:
    trainer = build(method, tmp_path, **settings)
    trainer.train()
    before = state_of(trainer)
    metrics = trainer.evaluate()
    assert 0 <= metrics["eval_accuracy"] <= 1
    assert_same(before, state_of(trainer))


@every_variant
def test_accumulation_equals_the_large_batch(method: str, settings: dict, tmp_path: Path) -> None:
    large = build(method, tmp_path / "a", per_device_train_batch_size=8, **settings)
    small = build(method, tmp_path / "b", per_device_train_batch_size=4, gradient_accumulation_steps=2, **settings)
    large.train()
    small.train()
    assert_close(state_of(large), state_of(small))


@every_variant
def test_bf16_runs(method: str, settings: dict, tmp_path: Path) -> None:
    trainer = build(method, tmp_path, bf16=True, **settings)
    assert torch.isfinite(torch.tensor(trainer.train().training_loss))
    assert trainer.evaluate()["eval_loss"] > 0


@pytest.mark.parametrize(
    ("field", "value"),
    [("temperature", 0.4), ("threshold", 0.95), ("unlabeled_weight", 0.3), ("ema_decay", 0.5)],
)
@semi_supervised
def test_every_setting_counts(method: str, settings: dict, field: str, value: float, tmp_path: Path) -> None:
    """USB's UDA never sharpened: a setting that changes nothing is a defect."""
    if not has(method, field):
        return
    plain = build(method, tmp_path / "a", **settings)
    changed = build(method, tmp_path / "b", **{**settings, field: value})
    assert getattr(plain.args, field) != value
    plain.train()
    changed.train()
    a, b = state_of(plain), state_of(changed)
    assert any(not torch.equal(a[name], b[name]) for name in a if name.startswith("model."))


@every_variant
def test_padding_changes_nothing(method: str, settings: dict, tmp_path: Path) -> None:
    trainer = build(method, tmp_path, **settings)
    batch = first_batch(trainer)
    wide = {
        stream: {k: widened(v) if isinstance(v, dict) else v for k, v in views.items()}
        for stream, views in batch.items()
    }
    torch.testing.assert_close(terms_of(trainer, batch)["loss"], terms_of(trainer, wide)["loss"])


def widened(view: dict[str, Any]) -> dict[str, Any]:
    pad = torch.nn.functional.pad
    # Lengths as long as the padded width: no pass may cut the padding off again.
    return {
        "input_ids": pad(view["input_ids"], (0, 4)),
        "attention_mask": pad(view["attention_mask"], (0, 4)),
        "lengths": [view["input_ids"].shape[1] + 4] * len(view["lengths"]),
    }


@semi_supervised
def test_order_of_the_unlabeled_batch_changes_nothing(method: str, settings: dict, tmp_path: Path) -> None:
    trainer = build(method, tmp_path, **settings)
    batch = first_batch(trainer)
    forward = trainer.forward_for(trainer.model)
    order = torch.randperm(8, generator=torch.Generator().manual_seed(0)).tolist()
    shuffled = {k: forward.take(v, order) if isinstance(v, dict) else v[order] for k, v in batch["unlabeled"].items()}
    a, b = terms_of(trainer, batch), terms_of(trainer, {**batch, "unlabeled": shuffled})
    torch.testing.assert_close(a["loss"], b["loss"])


@semi_supervised
def test_no_gradient_reaches_the_targets(method: str, settings: dict, tmp_path: Path) -> None:
    """With the strong view's own gradient cut, nothing of the unlabeled term is left."""
    trainer = build(method, tmp_path, **settings)
    for name, parameter in trainer.objective.named_parameters():
        assert not parameter.requires_grad, name
    terms_of(trainer)["loss"].backward()
    for name, parameter in trainer.objective.named_parameters():
        assert parameter.grad is None, name


def test_two_processes_hold_one_state_and_equal_one(two_processes: Path) -> None:
    for number in range(len(VARIANTS)):
        states = [load_file(two_processes / f"{number}-rank{rank}-of-2.safetensors") for rank in range(2)]
        assert_same(*states)
        assert_close(states[0], load_file(two_processes / f"{number}-rank0-of-1.safetensors"))

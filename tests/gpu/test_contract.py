"""The contract of each method on a CUDA device, in float32 and bfloat16."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.contract.cases import Variant, build, first_batch, has, state_of, variants
from tests.gpu.device import DEVICE, record
from textssl.methods import METHODS
from textssl.training.dataset_scores import score


VARIANTS = variants()
SEMI = [variant for variant in VARIANTS if "unlabeled" in METHODS[variant[0]].objective_class.views]
# Of the loss on the CPU in float32: rounding of float32, and of bfloat16, which has 8 bits.
TOLERANCE = {"fp32": 1e-3, "bf16": 5e-2}
# Kernels that add with atomics are not exact to the last bit from run to run.
RESUME_TOLERANCE = 1e-4


def over(wanted: list[Variant]) -> pytest.MarkDecorator:
    names = [f"{method}-{modality}-{json.dumps(settings)}" for method, modality, settings in wanted]
    return pytest.mark.parametrize(("method", "modality", "settings"), wanted, ids=names)


each_precision = pytest.mark.parametrize("precision", ["fp32", "bf16"])


@pytest.fixture(autouse=True)
def exact_convolutions() -> Any:
    """TF32 rounds to 10 bits, which is neither of the precisions that are checked."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    yield
    torch.backends.cudnn.allow_tf32 = before


def on_device(method: str, out: Path, modality: str, precision: str = "fp32", **settings: Any) -> Any:
    return build(method, out, modality, **{"use_cpu": DEVICE == "cpu", "bf16": precision == "bf16", **settings})


def terms_of(trainer: Any) -> dict[str, Any]:
    """Terms of the first batch, whose random draws begin from one seed on every device."""
    torch.manual_seed(7)
    trainer._move_model_to_device(trainer.model, trainer.args.device)
    trainer.model.train()
    batch = first_batch(trainer)
    forward = trainer.forward_for(trainer.model)
    if trainer.objective.scored is not None:
        trainer.objective.before_epoch(score(trainer), 0.5)
    trainer.objective.before_step(forward, [batch], 0.5)
    with torch.autocast(trainer.args.device.type, enabled=False):
        return trainer.objective.loss(forward, batch, 0.5)


@each_precision
@over(VARIANTS)
def test_loss_equals_that_of_the_cpu(
    method: str, modality: str, settings: dict, precision: str, tmp_path: Path
) -> None:
    # The CPU first, and whole: accelerate holds one device for a process.
    expected = terms_of(build(method, tmp_path / "cpu", modality, **settings))["loss"].item()
    loss = terms_of(on_device(method, tmp_path / "device", modality, precision, **settings))["loss"]
    assert loss.device.type == DEVICE
    difference = abs(loss.item() - expected) / max(1.0, abs(expected))
    record(f"loss {precision}", f"{method} {modality}", difference)
    assert difference <= TOLERANCE[precision]


@each_precision
@over(VARIANTS)
def test_trains_and_evaluates(method: str, modality: str, settings: dict, precision: str, tmp_path: Path) -> None:
    trainer = on_device(method, tmp_path, modality, precision, dropout=0.1, save_strategy="no", **settings)
    before = {name: p.detach().cpu().clone() for name, p in trainer.model.named_parameters()}
    trainer.train()
    for name, parameter in trainer.model.named_parameters():
        assert parameter.device.type == DEVICE
        assert torch.isfinite(parameter).all(), name
        # A key bias shifts all scores of a query alike, which softmax does not see.
        if not name.endswith("key.bias"):
            assert not torch.equal(before[name], parameter.cpu()), name
    assert 0 <= trainer.evaluate()["eval_accuracy"] <= 1


@each_precision
@over(SEMI)
def test_unlabeled_term_alone_moves_the_encoder(
    method: str, modality: str, settings: dict, precision: str, tmp_path: Path
) -> None:
    kept = {"threshold": 0.0} if has(method, "threshold") else {}
    trainer = on_device(
        method, tmp_path, modality, precision, **{**settings, **kept, "max_steps": 6, "save_strategy": "no"}
    )
    trainer.train()
    trainer.model.zero_grad()
    terms_of(trainer)["unsupervised"].backward()
    for name, parameter in trainer.model.named_parameters():
        if not name.endswith("key.bias"):
            assert parameter.grad is not None, name
            assert parameter.grad.abs().sum() > 0, name


@over(VARIANTS)
def test_resume(method: str, modality: str, settings: dict, tmp_path: Path) -> None:
    """Within rounding: the largest difference of any weight is recorded."""
    common = {"dropout": 0.1, "save_steps": 2, "per_device_train_batch_size": 7, **settings}
    whole = on_device(method, tmp_path / "whole", modality, **common)
    whole.train()
    torch.manual_seed(99)
    resumed = on_device(method, tmp_path / "resumed", modality, **common)
    resumed.train(resume_from_checkpoint=str(tmp_path / "whole" / "checkpoint-2"))
    difference = distance(state_of(whole), state_of(resumed))
    record("resume", f"{method} {modality}", difference)
    assert difference <= RESUME_TOLERANCE


@pytest.mark.parametrize("method", ["uda", "fixmatch", "mean_teacher", "mixtext"])
def test_resume_is_exact_with_deterministic_kernels(method: str, tmp_path: Path, monkeypatch: Any) -> None:
    """cuBLAS reads the variable when its handle is made, which ``make gpu`` sees to."""
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True)
    try:
        common = {"dropout": 0.1, "save_steps": 2, "per_device_train_batch_size": 7}
        whole = on_device(method, tmp_path / "whole", "text", **common)
        whole.train()
        torch.manual_seed(99)
        resumed = on_device(method, tmp_path / "resumed", "text", **common)
        resumed.train(resume_from_checkpoint=str(tmp_path / "whole" / "checkpoint-2"))
        assert distance(state_of(whole), state_of(resumed)) == 0
    finally:
        torch.use_deterministic_algorithms(False)


def distance(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> float:
    assert a.keys() == b.keys()
    return max((a[name].double() - b[name].double()).abs().max().item() for name in a if a[name].numel())

"""Settings that save memory or time: layers run again, compiled models, a batch that is found, light checkpoints."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch._dynamo import OptimizedModule
from torch._dynamo.utils import counters
from transformers import AutoModelForSequenceClassification

from tests.contract import ddp_jobs
from tests.contract.cases import build, state_of
from tests.ddp.pool import TwoProcesses
from textssl import UserError
from textssl.methods import METHODS


# The name that all releases have.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:`gradient_checkpointing:FutureWarning")]
COMMON: dict[str, Any] = {"max_steps": 2, "save_strategy": "no", "dropout": 0.1}
DEFAULTS = {
    "dividemix": {"max_steps": 6},
    "in_domain_pretraining": {"pretraining_steps": 2, "pretraining_batch_size": 4},
    "mixtext": {"mix_at": "input"},
}
FEATURES = [m for m in METHODS if "features" in METHODS[m].objective_class.modalities]


def trained(method: str, out: Path, modality: str = "text", **settings: Any) -> Any:
    trainer = build(method, out, modality, **{**COMMON, **DEFAULTS.get(method, {}), **settings})
    trainer.train()
    return trainer


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> None:
    assert a.keys() == b.keys()
    for name in a:
        assert torch.equal(a[name], b[name]), name


@pytest.fixture
def compiler() -> Any:
    """What was compiled for one test is of no use to another."""
    torch._dynamo.reset()
    counters.clear()
    yield counters
    torch._dynamo.reset()


# --- layers that are run again


@pytest.mark.parametrize("method", METHODS)
def test_checkpointing_changes_no_weight(method: str, tmp_path: Path) -> None:
    """With dropout, which a layer that is run again must meet again."""
    runs, calls = [], []
    for is_on in (False, True):
        settings = {**COMMON, **DEFAULTS.get(method, {}), "gradient_checkpointing": is_on}
        trainer = build(method, tmp_path / str(is_on), **settings)
        count: list[int] = []
        trainer.model.bert.encoder.layer[0].attention.register_forward_pre_hook(
            lambda *_, count=count: count.append(1)
        )
        trainer.train()
        runs.append(state_of(trainer))
        calls.append(len(count))
    same(*runs)
    assert calls[1] > calls[0]


@pytest.mark.parametrize(("method", "steps"), [("uda", 2), ("vat", 2), ("dividemix", 5), ("meta_pseudo_labels", 2)])
def test_checkpointing_on_two_processes(method: str, steps: int, two_processes: TwoProcesses, tmp_path: Path) -> None:
    """Of several passes, of a gradient on the input, of two networks that one optimizer moves, and of two."""
    plain, checkpointed = (
        two_processes.run(
            ddp_jobs.trained,
            method=method,
            modality="text",
            settings={"dropout": 0.1, "max_steps": steps, "gradient_checkpointing": is_on},
            out=tmp_path / str(is_on),
            batch=4,
        )
        for is_on in (False, True)
    )
    for rank in (0, 1):
        same(plain[0], checkpointed[rank])


def test_layers_that_are_mixed_or_run_once_refuse_it(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="gradient_checkpointing: got True; layers that are run again"):
        build("mixtext", tmp_path, gradient_checkpointing=True)
    with pytest.raises(UserError, match="gradient_checkpointing_kwargs: got use_reentrant True; it allows one pass"):
        build("uda", tmp_path, gradient_checkpointing=True, gradient_checkpointing_kwargs={"use_reentrant": True})


# --- compiled models


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor:UserWarning")
@pytest.mark.parametrize(("method", "modality"), [*((m, "features") for m in FEATURES), ("uda", "text")])
def test_a_compiled_model_trains_as_it_would_otherwise(
    method: str, modality: str, tmp_path: Path, compiler: Any
) -> None:
    """Teachers and averages are of the model, not of what compiles it. This backend traces, and computes as before."""
    settings: dict[str, Any] = {"uda": {"teacher_decay": 0.5}, "fixmatch": {"ema_decay": 0.5}}.get(method, {})
    settings |= {"warm_start_epochs": 0.5, "max_steps": 3} if method == "dividemix" else {"max_steps": 1}
    if method == "label_propagation":
        with pytest.raises(UserError, match="torch_compile: got True; the graph of its features reaches inside"):
            trained(method, tmp_path, modality, torch_compile=True, torch_compile_backend="eager", **settings)
        return
    compiled = trained(method, tmp_path / "a", modality, torch_compile_backend="eager", dropout=0.0, **settings)
    assert compiled.args.torch_compile
    assert isinstance(compiled.model_wrapped, OptimizedModule)
    assert compiler["stats"]["unique_graphs"] > 0
    same(state_of(trained(method, tmp_path / "b", modality, dropout=0.0, **settings)), state_of(compiled))
    assert compiled.evaluate()["eval_loss"] > 0
    compiled.save_model(str(tmp_path / "saved"))
    assert not any(name.startswith("_orig_mod") for name in load_file(tmp_path / "saved" / "model.safetensors"))


def test_what_reaches_inside_a_model_refuses_to_have_it_compiled(tmp_path: Path) -> None:
    for method, modality, settings in (
        ("mixtext", "text", {}),
        ("remixmatch", "text", {"pretext": "order"}),
        ("noisy_student", "image", {"survival": 0.5}),
    ):
        with pytest.raises(UserError, match=r"torch_compile: got True; .* must not be compiled"):
            build(method, tmp_path, modality, torch_compile=True, **settings)
    # The first stage runs the head at masked places alone: it is not compiled, and the second is.
    args = build("in_domain_pretraining", tmp_path, torch_compile=True, pretraining_batch_size=4).args
    assert args.torch_compile
    assert (args.first_stage().torch_compile, args.first_stage().torch_compile_backend) == (False, None)


# --- the size of a batch


@pytest.mark.parametrize("method", METHODS)
def test_a_batch_that_does_not_fit_shrinks(method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The memory ends within the second step, when weights and means have moved: all begins again."""
    trainer = build(method, tmp_path / "a", **COMMON | DEFAULTS.get(method, {}) | {"auto_find_batch_size": True})
    step, seen = trainer.training_step, []

    def limited(network: Any, inputs: dict[str, Any], *args: Any) -> Any:
        loss = step(network, inputs, *args)
        seen.append(len(inputs["labeled"]["labels"]))
        if seen[-1] > 2 and seen.count(seen[-1]) == 2:
            raise RuntimeError("CUDA out of memory.")
        return loss

    monkeypatch.setattr(trainer, "training_step", limited)
    # What accelerate takes off is a fifth, not a half.
    trainer.train()
    assert seen[:3] == [4, 4, 3]
    assert set(seen[4:]) == {2}
    small = trained(method, tmp_path / "b", per_device_train_batch_size=2)
    same(state_of(small), state_of(trainer))


# --- checkpoints


@pytest.mark.parametrize("method", METHODS)
def test_a_checkpoint_of_the_model_alone(method: str, tmp_path: Path) -> None:
    """It opens, serves as the best of a run, and says that no run can go on with it."""
    settings: dict[str, Any] = {
        **{"save_only_model": True, "save_strategy": "steps", "save_steps": 1, "eval_strategy": "steps"},
        **{"eval_steps": 1, "load_best_model_at_end": True, "metric_for_best_model": "accuracy"},
    }
    trainer = trained(method, tmp_path, **settings)
    last = tmp_path / f"checkpoint-{trainer.state.global_step}"
    assert not {"optimizer.pt", "scheduler.pt", "rng_state.pth"} & {p.name for p in last.iterdir()}
    best = Path(str(trainer.state.best_model_checkpoint))
    assert best.parent == tmp_path
    if method != "dividemix":
        AutoModelForSequenceClassification.from_pretrained(best)
    with pytest.raises(UserError, match=r"was saved with save_only_model, so there is no optimizer.pt to go on with"):
        build(method, tmp_path / "b", **{**COMMON, **DEFAULTS.get(method, {})}).train(resume_from_checkpoint=str(last))

"""What a checkpoint folder opens to is the model whose score was logged, and a run goes on from it exactly."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForImageClassification, AutoModelForSequenceClassification, EarlyStoppingCallback

from tests.contract.cases import build, state_of
from tests.contract.tiny_decoders import decoder
from tests.contract.tiny_decoders import tokenizer as decoders_tokenizer
from textssl.errors import UserError
from textssl.training.checkpoints import load_objective, save_objective, seal, verify
from textssl.training.trainer import SSLTrainer


pytestmark = pytest.mark.slow

EMA = {"ema_decay": 0.5}
TEACHER = {"teacher_decay": 0.5}
# Each rule of what is evaluated: an average, a teacher, both of two networks, one of them, the student.
RULES: list[tuple[str, str, dict[str, Any]]] = [
    ("uda", "text", TEACHER),
    ("fixmatch", "text", EMA),
    ("mean_teacher", "text", {}),
    ("mean_teacher", "text", {"evaluated_model": "student"}),
    ("ict", "text", TEACHER),
    ("mixtext", "text", EMA),
    ("mixup_pseudo_label", "text", EMA),
    ("dividemix", "text", {"warm_start_epochs": 0.5}),
    ("dividemix", "text", {"warm_start_epochs": 0.5, "ensemble": False}),
    ("meta_pseudo_labels", "text", {}),
    ("supervised", "text", {}),
    ("remixmatch", "image", EMA),
    ("mixmatch", "image", EMA),
    ("dividemix", "features", {"warm_start_epochs": 0.5}),
    ("uda", "features", TEACHER),
]
BEST: dict[str, Any] = {
    "max_steps": 8,
    "save_steps": 2,
    "eval_strategy": "steps",
    "eval_steps": 2,
    "load_best_model_at_end": True,
    "metric_for_best_model": "loss",
    "learning_rate": 0.3,
}


def opened(folder: Path | str, trainer: SSLTrainer) -> float:
    """Mean cross entropy of the held-out examples, by the model that a folder gives, without our code."""
    image = trainer.modality.name == "image"
    kind: Any = AutoModelForImageClassification if image else AutoModelForSequenceClassification
    network = kind.from_pretrained(folder).eval()
    rows = trainer.eval_dataset
    if trainer.modality.name == "text":
        inputs = trainer.processing_class(list(rows["text"]), padding=True, return_tensors="pt")
        inputs = {key: inputs[key] for key in ("input_ids", "attention_mask")}
    elif image:
        inputs = trainer.processing_class(list(rows["image"]), return_tensors="pt")
    else:
        inputs = {"features": torch.tensor(np.array(rows["features"]), dtype=torch.float32)}
    with torch.no_grad():
        logits = network(**inputs).logits
    return torch.nn.functional.cross_entropy(logits, torch.tensor(rows["label"])).item()


@pytest.mark.parametrize(("method", "modality", "settings"), RULES)
def test_the_best_checkpoint_is_what_was_measured(
    method: str, modality: str, settings: dict[str, Any], tmp_path: Path
) -> None:
    """All four: the best figure, evaluate() afterwards, what is saved then, and the checkpoint's own folder."""
    trainer = build(method, tmp_path / "run", modality, **{**BEST, **settings})
    trainer.add_callback(EarlyStoppingCallback(2))
    trainer.train()
    best = trainer.state.best_metric
    logged = {row["step"]: row["eval_loss"] for row in trainer.state.log_history if "eval_loss" in row}
    assert best == min(logged.values())
    assert trainer.evaluate()["eval_loss"] == pytest.approx(best, rel=1e-6)
    trainer.save_model(str(tmp_path / "saved"))
    for folder in (tmp_path / "saved", trainer.state.best_model_checkpoint):
        assert opened(folder, trainer) == pytest.approx(best, rel=1e-5)
    for step, loss in logged.items():
        folder = tmp_path / "run" / f"checkpoint-{step}"
        assert opened(folder, trainer) == pytest.approx(loss, rel=1e-5)
        student = trainer.accelerator.unwrap_model(trainer.model)
        assert (folder / "student").is_dir() == (trainer.evaluated_model is not student)


@pytest.mark.parametrize(("method", "modality", "settings"), RULES)
def test_a_run_goes_on_exactly(method: str, modality: str, settings: dict[str, Any], tmp_path: Path) -> None:
    """On images and features to its last weights, on text to its best ones."""
    common = {**BEST, **settings, "dropout": 0.1, "optim": "adamw_torch", "learning_rate": 0.01}
    common["load_best_model_at_end"] = modality == "text"
    whole = build(method, tmp_path, modality, **common)
    whole.train()
    expected = state_of(whole)
    # The first goes on for two steps more, the second had ended.
    for step in (6, 8):
        shutil.rmtree(tmp_path / "checkpoint-8") if step == 6 else None
        resumed = build(method, tmp_path, modality, **common)
        resumed.train(resume_from_checkpoint=str(tmp_path / f"checkpoint-{step}"))
        state = state_of(resumed)
        assert all(torch.equal(expected[name], state[name]) for name in expected)
        assert resumed.state.best_model_checkpoint == whole.state.best_model_checkpoint


def test_an_average_in_float32_of_a_student_in_bfloat16_is_kept_exactly(tmp_path: Path) -> None:
    given = {"model": decoder("llama").to(torch.bfloat16), "processing_class": decoders_tokenizer()}
    common = {"given": given, "teacher_decay": 0.9, "learning_rate": 0.01, "save_steps": 2}
    whole = build("uda", tmp_path, **common)
    whole.train()
    expected = state_of(whole)
    assert {str(v.dtype) for n, v in expected.items() if n.startswith("objective.teacher.model.")} == {"torch.float32"}
    common["given"] = {**given, "model": decoder("llama").to(torch.bfloat16)}
    resumed = build("uda", tmp_path, **common)
    resumed.train(resume_from_checkpoint=str(tmp_path / "checkpoint-2"))
    state = state_of(resumed)
    assert all(torch.equal(expected[name], state[name]) for name in expected)
    assert {str(v.dtype) for v in load_file(tmp_path / "checkpoint-4" / "model.safetensors").values()} == {
        "torch.float32"
    }


def test_no_weights_are_written_twice(tmp_path: Path) -> None:
    """A student and its average: what the objective's own file holds beside them is no network."""
    build("uda", tmp_path, **TEACHER).train()
    folder = tmp_path / "checkpoint-4"
    model, student = (load_file(folder / place / "model.safetensors") for place in ("", "student"))
    assert model.keys() == student.keys()
    assert any(not torch.equal(model[name], student[name]) for name in model)
    assert not any("bert" in name for name in load_file(folder / "objective.safetensors"))
    assert sorted(path.name for path in (folder / "student").iterdir()) == ["config.json", "model.safetensors"]


def test_where_the_student_is_evaluated_nothing_changes(tmp_path: Path) -> None:
    build("supervised", tmp_path).train()
    assert not [path for path in (tmp_path / "checkpoint-4").iterdir() if path.is_dir()]


def test_a_checkpoint_written_over_by_another_rule_keeps_no_old_student(tmp_path: Path) -> None:
    build("uda", tmp_path, **TEACHER).train()
    build("uda", tmp_path, learning_rate=0.01).train()
    folder = tmp_path / "checkpoint-4"
    verify(folder)
    assert not (folder / "student").exists()


@pytest.mark.parametrize("what", ["missing", "changed"])
def test_the_student_is_under_the_seal(what: str, tmp_path: Path) -> None:
    build("uda", tmp_path, **TEACHER).train()
    path = tmp_path / "checkpoint-4" / "student" / "model.safetensors"
    files = json.loads((tmp_path / "checkpoint-4" / "seal.json").read_text())["files"]
    assert {"model.safetensors", "student/config.json", "student/model.safetensors"} <= files.keys()
    if what == "missing":
        shutil.rmtree(path.parent)
    else:
        content = bytearray(path.read_bytes())
        content[-1] ^= 1
        path.write_bytes(content)
    told = "student/(config.json|model.safetensors) is missing" if what == "missing" else "was changed since"
    with pytest.raises(UserError, match=told):
        build("uda", tmp_path, **TEACHER).train(resume_from_checkpoint=True)


def test_a_checkpoint_whose_own_folder_holds_the_student_is_gone_on_from(tmp_path: Path) -> None:
    """As older versions wrote it: no folder for the student, and an objective with the whole average."""
    whole = build("uda", tmp_path, **TEACHER)
    whole.train()
    folder = tmp_path / "checkpoint-2"
    old = build("uda", tmp_path / "other", **TEACHER)
    old._load_from_checkpoint(str(folder))
    load_objective(old.objective, folder)
    old.model.save_pretrained(folder)
    shutil.rmtree(folder / "student")
    save_objective(old.objective, folder)
    seal(folder)
    resumed = build("uda", tmp_path, **TEACHER)
    resumed.train(resume_from_checkpoint=str(folder))
    expected, state = state_of(whole), state_of(resumed)
    assert all(torch.equal(expected[name], state[name]) for name in expected)


def test_an_average_is_not_taken_for_that_of_another_method(tmp_path: Path) -> None:
    build("uda", tmp_path, **TEACHER).train()
    with pytest.raises(UserError, match="the state of FixMatch cannot be read"):
        load_objective(build("fixmatch", tmp_path / "other", **EMA).objective, tmp_path / "checkpoint-4")

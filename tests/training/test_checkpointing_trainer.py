"""Checkpoints of real runs: a disk that is full, old ones that go too early, a second run in the folder."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import BertForSequenceClassification

import textssl.training.checkpoints as checkpoints
from tests.contract.cases import build, state_of
from textssl.errors import UserError
from textssl.training.checkpoints import load_objective, sealed_checkpoints, verify


EMA = {"teacher_decay": 0.9, "distribution_alignment": True}


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> dict[str, torch.Tensor]:
    """What four steps without any mishap end in."""
    trainer = build("uda", tmp_path_factory.mktemp("straight"), save_strategy="no", **EMA)
    trainer.train()
    return state_of(trainer)


def fill_the_disk(monkeypatch: pytest.MonkeyPatch, where: str, saves: int) -> None:
    """Let ``saves`` checkpoints through; the next one fails when it comes to ``where``."""
    count = 0

    def failing(original: Callable[..., Any]) -> Callable[..., Any]:
        def save(*args: Any, **kwargs: Any) -> Any:
            nonlocal count
            count += 1
            if count > saves:
                raise OSError(errno.ENOSPC, "No space left on device")
            return original(*args, **kwargs)

        return save

    owner, name = {
        "model": (BertForSequenceClassification, "save_pretrained"),
        "objective": (checkpoints, "save_file"),
        "seal": (checkpoints, "seal"),
    }[where]
    if owner is None:
        from transformers import BertForSequenceClassification as owner
    monkeypatch.setattr(owner, name, failing(getattr(owner, name)))


@pytest.mark.slow
@pytest.mark.parametrize("where", ["model", "objective", "seal"])
@pytest.mark.parametrize("limit", [None, 1])
def test_a_full_disk_leaves_the_last_checkpoint_whole(
    where: str, limit: int | None, straight: dict[str, torch.Tensor], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With save_total_limit=1 too: the old one goes only when the new one is sealed."""
    settings = {**EMA, "save_total_limit": limit}
    with monkeypatch.context() as patch:
        # Of models each checkpoint holds two: the average and the student.
        fill_the_disk(patch, where, saves=2 if where == "model" else 1)
        with pytest.raises(UserError, match=r"saving .*checkpoint-4 failed .*No space left.*checkpoint-2 is whole"):
            build("uda", tmp_path, **settings).train()
    assert [path.name for path in sealed_checkpoints(tmp_path)] == ["checkpoint-2"]
    assert not (tmp_path / "checkpoint-4").exists()
    resumed = build("uda", tmp_path, **settings)
    resumed.train(resume_from_checkpoint=True)
    for name, value in state_of(resumed).items():
        assert torch.equal(value, straight[name]), name
    kept = [path.name for path in sealed_checkpoints(tmp_path)]
    assert kept == (["checkpoint-4"] if limit else ["checkpoint-2", "checkpoint-4"])
    verify(tmp_path / "checkpoint-4")


def test_a_full_disk_at_the_first_save_says_that_nothing_survives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = build("uda", tmp_path)
    fill_the_disk(monkeypatch, "objective", saves=0)
    with pytest.raises(UserError, match="no earlier one exists"):
        trainer.train()
    assert trainer.args.save_total_limit is None
    assert list(tmp_path.glob("checkpoint-*")) == []


def test_the_old_checkpoint_is_there_until_the_new_one_is_sealed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[str]] = []
    original = checkpoints.seal

    def watched(folder: Path) -> None:
        seen.append(sorted(path.name for path in sealed_checkpoints(tmp_path)))
        original(folder)

    monkeypatch.setattr(checkpoints, "seal", watched)
    build("uda", tmp_path, save_total_limit=1, save_steps=1, max_steps=3).train()
    assert seen == [[], ["checkpoint-1"], ["checkpoint-2"]]
    assert [path.name for path in sealed_checkpoints(tmp_path)] == ["checkpoint-3"]


def test_writing_over_a_finished_checkpoint_unmarks_it_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second run in the folder, killed within its save, must not leave a seal on mixed files."""
    build("uda", tmp_path).train()

    class Killed(BaseException):
        pass

    def killed(*args: Any) -> None:
        raise Killed

    monkeypatch.setattr(checkpoints, "save_objective", killed)
    with pytest.raises(Killed):
        build("uda", tmp_path, learning_rate=0.01).train()
    assert [path.name for path in sealed_checkpoints(tmp_path)] == ["checkpoint-4"]
    verify(tmp_path / "checkpoint-4")


def test_a_run_that_saves_models_only_still_restores_the_best(tmp_path: Path) -> None:
    trainer = build(
        "uda",
        tmp_path,
        save_only_model=True,
        load_best_model_at_end=True,
        eval_strategy="steps",
        eval_steps=2,
        **EMA,
    )
    trainer.train()
    best = Path(str(trainer.state.best_model_checkpoint))
    verify(best)
    other = build("uda", tmp_path / "other", **EMA)
    load_objective(other.objective, best)
    for name, value in other.objective.state_dict().items():
        assert torch.equal(value, trainer.objective.state_dict()[name]), name
    with pytest.raises(UserError, match="saved with save_only_model"):
        trainer.train(resume_from_checkpoint=True)


@pytest.mark.slow
def test_a_run_that_had_ended_takes_no_further_step(straight: dict[str, torch.Tensor], tmp_path: Path) -> None:
    """Killed between its last checkpoint and whatever came next."""
    build("uda", tmp_path, **EMA).train()
    again = build("uda", tmp_path, **EMA)
    assert again.train(resume_from_checkpoint=True).global_step == 4
    assert again.state.global_step == 4
    assert [row["step"] for row in again.state.log_history if "loss" in row] == [2, 4]
    state = state_of(again)
    assert all(torch.equal(straight[name], state[name]) for name in straight)
    # One that is to take more steps than before does.
    longer = build("uda", tmp_path, max_steps=6, **EMA)
    assert longer.train(resume_from_checkpoint=True).global_step == 6


@pytest.mark.slow
def test_epochs_that_were_all_passed_are_not_passed_again(tmp_path: Path) -> None:
    """Five steps an epoch: 40 unlabeled examples, 8 a step."""
    by_epochs = {"max_steps": -1, "save_strategy": "epoch"}
    build("fixmatch", tmp_path, num_train_epochs=1, **by_epochs).train()
    again = build("fixmatch", tmp_path, num_train_epochs=1, **by_epochs)
    assert again.train(resume_from_checkpoint=True).global_step == 5
    longer = build("fixmatch", tmp_path, num_train_epochs=2, **by_epochs)
    assert longer.train(resume_from_checkpoint=True).global_step == 10


@pytest.mark.slow
def test_a_finished_run_whose_folder_was_moved_has_its_best_model(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings: dict[str, Any] = {"load_best_model_at_end": True, "eval_strategy": "steps", "eval_steps": 2}
    rises = iter([0.9, 0.1])
    falling = {"compute_metrics": lambda prediction: {"rank": next(rises)}}
    first = build("fixmatch", tmp_path / "here", given=falling, metric_for_best_model="rank", **settings)
    first.train()
    (tmp_path / "here").rename(tmp_path / "there")
    there = build("fixmatch", tmp_path / "there", metric_for_best_model="rank", **settings)
    there.train(resume_from_checkpoint=True)
    assert there.state.best_model_checkpoint == str(tmp_path / "there" / "checkpoint-2")
    for name, value in state_of(first).items():
        assert torch.equal(value, state_of(there)[name]), name
    shutil.rmtree(tmp_path / "there" / "checkpoint-2")
    build("fixmatch", tmp_path / "there", metric_for_best_model="rank", **settings).train(resume_from_checkpoint=True)
    assert "is gone: the model is that of" in caplog.text

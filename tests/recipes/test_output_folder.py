"""An output folder is never taken from another run, and damage in it is named, with the way out."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.recipes.conftest import WholeRun
from tests.recipes.tiny_task import TinyTask, error_line, tree, weights, write_jsonl


Call = Callable[[Sequence[str]], int]


def test_a_folder_that_is_no_run(call: Call, task: TinyTask, tmp_path: Path, capsys: Any) -> None:
    thesis = tmp_path / "cwd" / "out" / "thesis.tex"
    thesis.parent.mkdir()
    thesis.write_text("years of work")
    (thesis.parent / "run.json").write_text('{"seed": 1}')
    before = tree(tmp_path)
    for more in ([], ["--resume_from_checkpoint"], ["--overwrite"]):
        assert call(task.flags("out", *more)) == 2
        message = error_line(capsys.readouterr().err)
        assert "output_dir: out holds files that are no run" in message
        assert "choose another --output_dir" in message
    assert tree(tmp_path) == before
    assert call(task.flags(thesis)) == 2
    assert "is a file" in error_line(capsys.readouterr().err)


@pytest.fixture
def copy(whole: WholeRun, tmp_path: Path) -> Path:
    """A copy of the whole run whose method is not finished."""
    out = tmp_path / "out"
    shutil.copytree(whole.out, out)
    (out / "uda" / "result.json").unlink()
    return out


def test_a_folder_that_holds_another_run(call: Call, task: TinyTask, copy: Path, capsys: Any) -> None:
    before = tree(copy)
    assert call(task.flags(copy)) == 2
    message = error_line(capsys.readouterr().err)
    assert "holds another run" in message
    for way_out in ("--output_dir", "--resume_from_checkpoint", "--overwrite"):
        assert way_out in message
    assert call(task.flags(copy, "--resume_from_checkpoint", learning_rate=1e-3)) == 2
    message = error_line(capsys.readouterr().err)
    assert "a run of other settings: learning_rate was 0.005, is 0.001" in message
    settings = copy.with_name("run.yaml")
    settings.write_text("resume_from_checkpoint: true\nlearning_rate: 1e-3\n")
    assert call(task.flags(copy, config=settings, learning_rate=None)) == 2
    assert error_line(capsys.readouterr().err) == message
    assert call(task.flags(copy, resume_from_checkpoint="uda/checkpoint-8")) == 2
    message = error_line(capsys.readouterr().err)
    assert "expected a checkpoint of a stage of this run" in message
    assert tree(copy) == before


def cut_in_half(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def flip_one_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-5] ^= 1
    path.write_bytes(data)


def test_a_damaged_checkpoint_is_named_and_the_one_before_goes_on(
    call: Call, task: TinyTask, whole: WholeRun, copy: Path, capsys: Any
) -> None:
    newest = copy / "uda" / "checkpoint-12"
    resume = task.flags(copy, "--resume_from_checkpoint")
    for name, damage in [
        ("optimizer.pt", cut_in_half),
        ("model.safetensors", flip_one_bit),
        ("seal.json", cut_in_half),
    ]:
        saved = (newest / name).read_bytes()
        damage(newest / name)
        before = tree(copy)
        assert call(resume) == 2
        message = error_line(capsys.readouterr().err)
        assert str(newest / name) in message
        assert f"delete {newest} and resume from an earlier checkpoint" in message
        assert tree(copy).keys() == before.keys()
        (newest / name).write_bytes(saved)
    (newest / "rng_state.pth").unlink()
    assert call(resume) == 2
    assert f"{newest / 'rng_state.pth'} is missing" in error_line(capsys.readouterr().err)
    assert call(task.flags(copy, resume_from_checkpoint=copy / "uda" / "checkpoint-8")) == 0
    after, expected = weights(copy / "uda"), weights(whole.out / "uda")
    assert all(torch.equal(after[name], expected[name]) for name in expected)


def test_a_damaged_translation(call: Call, task: TinyTask, tmp_path: Path, monkeypatch: Any, capsys: Any) -> None:
    """The program is a stand-in here: it gives back what it gets."""
    program = tmp_path / "bin" / "apertium"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\nif [ "$1" = -l ]; then echo eng-spa; echo spa-eng; else exec cat; fi\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    small = {"strong": "tfidf+apertium", "baseline": False, "max_steps": 3}
    assert call(task.flags("out", **small)) == 0
    capsys.readouterr()
    (shard,) = (tmp_path / "cwd" / "out" / "translations").glob("*.jsonl")
    whole = shard.read_bytes()
    flip_one_bit(shard)
    assert call(task.flags("out", "--resume_from_checkpoint", **small)) == 2
    message = error_line(capsys.readouterr().err)
    assert shard.name in message
    assert "Delete this file and run again" in message
    shard.unlink()
    assert call(task.flags("out", "--resume_from_checkpoint", **small)) == 0
    assert shard.read_bytes() == whole


def test_after_a_mistake_the_same_folder_serves(call: Call, task: TinyTask, tmp_path: Path, capsys: Any) -> None:
    some = [{"text": "w1 w2", "label": label} for label in ("bad", "fair", "good")] * 2
    few = write_jsonl(tmp_path / "few.jsonl", some)
    quick = {"train_file": few, "baseline": False, "max_steps": 3}
    assert call(task.flags("out", **quick, max_length=64)) == 2
    assert json.loads((tmp_path / "cwd" / "out" / "run.json").read_text())
    assert call(task.flags("out", **quick)) == 0
    assert "accuracy on 30 held-out examples" in capsys.readouterr().out


def test_a_run_goes_on_only_with_the_files_it_began_with(
    call: Call, task: TinyTask, tmp_path: Path, capsys: Any
) -> None:
    """Under the same paths: unlabeled texts, labels of the held-out file, the tokenizer of the model's folder."""
    own = TinyTask(tmp_path / "task")
    shutil.copytree(task.folder, own.folder)
    flags = own.flags("out", baseline=False, max_steps=3)
    assert call(flags) == 0
    before = tree(tmp_path / "cwd")
    edits = [
        ("many.jsonl", ("w1", "w2"), "data_sha256 was"),
        ("held_out.csv", ("bad", "good"), "held_out_sha256 was"),
        ("model/tokenizer.json", ('"w1"', '"w1x"'), "model_version was"),
    ]
    for name, (old, new), told in edits:
        path = own.folder / name
        content = path.read_text()
        path.write_text(content.replace(old, new, 1))
        capsys.readouterr()
        assert call([*flags, "--resume_from_checkpoint"]) == 2
        message = error_line(capsys.readouterr().err)
        assert f"a run of other settings: {told}" in message
        path.write_text(content)
        assert tree(tmp_path / "cwd") == before
    assert call([*flags, "--resume_from_checkpoint", "--per_device_train_batch_size=3"]) == 2
    assert "a run of other settings: per_device_train_batch_size was" in error_line(capsys.readouterr().err)
    record = json.loads((tmp_path / "cwd" / "out" / "run.json").read_text())
    assert record["settings"]["processes"] == 1
    assert call([*flags, "--resume_from_checkpoint"]) == 0

"""Recipes and in-domain pretraining: as a stage before any method, as the model of one, and as a method of its own."""

from __future__ import annotations

import json
import runpy
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from tests.recipes.tiny_task import ROOT, TinyTask, comparable, tree, weights
from textssl.cli.program import run_program


# One that ends in seconds, without a warm start; every stage has a checkpoint in its middle.
SHORT: dict[str, Any] = {"baseline_steps": 2, "max_steps": 4, "warm_start_steps": 0, "save_steps": 2}
Call = Callable[..., int]


@pytest.fixture
def train(task: TinyTask, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Call:
    """Run `recipes/train.py` in this process; returns the exit code."""
    main = runpy.run_path(str(ROOT / "recipes" / "train.py"))["main"]
    monkeypatch.chdir(tmp_path)

    def program(method: str, out: str, more: Sequence[str] = (), **changes: Any) -> int:
        ours = {**SHORT, **changes}
        if method != "uda":
            ours |= {"teacher_decay": None, "distribution_alignment": None, "threshold": None}
        monkeypatch.setattr(sys, "argv", ["train.py", f"--method={method}", *task.flags(out, *more, **ours)])
        with pytest.raises(SystemExit) as end:
            run_program(main)
        return int(end.value.code or 0)

    return program


def results(out: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(Path(out, "results.json").read_text())
    return loaded


def record(folder: str | Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(Path(folder, "pretraining.json").read_text())
    return loaded


def test_the_method_starts_from_the_stage_and_the_baseline_does_not(train: Call, task: TinyTask) -> None:
    assert train("uda", "plain") == 0
    assert train("uda", "first", pretrain_steps=3, pretrain_batch_size=8) == 0
    told = record("first/pretraining")
    assert (told["steps"], told["settings"]["batch_size"], told["finished"]) == (3, 8, True)
    assert told["base_model"] == str(task.folder / "model")
    # 12 labeled and 60 unlabeled texts, one of them held out.
    assert (told["texts"], told["held_out_texts"]) == (71, 1)
    assert comparable({"a": results("first")["supervised"]}) == comparable({"a": results("plain")["supervised"]})
    # The folder is a model as any other: what starts from it by name is the same run.
    assert train("uda", "named", model="first/pretraining", baseline="false") == 0
    assert weights(Path("named/uda")).keys() == weights(Path("first/uda")).keys()
    for name, value in weights(Path("first/uda")).items():
        assert torch.equal(value, weights(Path("named/uda"))[name]), name
    assert any(not torch.equal(v, weights(Path("plain/uda"))[k]) for k, v in weights(Path("first/uda")).items())


def test_a_killed_run_goes_on_where_it_was(train: Call) -> None:
    """As if killed in the method: its stage is gone, but for a checkpoint; the pretraining is not repeated."""
    assert train("uda", "out", pretrain_steps=3, pretrain_batch_size=8) == 0
    whole, stage = weights(Path("out/uda")), tree(Path("out/pretraining"))
    Path("out/uda/result.json").unlink()
    shutil.rmtree("out/uda/checkpoint-4")
    flags = {"pretrain_steps": 3, "pretrain_batch_size": 8}
    assert train("uda", "out", ["--resume_from_checkpoint"], **flags) == 0
    assert tree(Path("out/pretraining")) == stage
    for name, value in weights(Path("out/uda")).items():
        assert torch.equal(value, whole[name]), name


def test_the_method_of_that_name(train: Call) -> None:
    flags = {"pretraining_steps": 3, "pretraining_batch_size": 8}
    assert train("in_domain_pretraining", "out", **flags) == 0
    assert list(results("out")) == ["supervised", "in_domain_pretraining"]
    folder = Path("out/in_domain_pretraining/pretraining")
    assert record(folder)["steps"] == 3
    assert "cls.predictions.transform.dense.weight" in load_file(folder / "model.safetensors")
    assert "Don't Stop Pretraining" in Path("out/in_domain_pretraining/README.md").read_text()


def test_what_cannot_be_pretrained_is_refused(train: Call, capsys: pytest.CaptureFixture[str]) -> None:
    cases: list[tuple[str, dict[str, Any], str]] = [
        ("in_domain_pretraining", {}, "pretrain_steps: got 3; in_domain_pretraining has pretraining_steps"),
        ("vat", {"pretrain_steps": -1}, "pretrain_steps: got -1; expected 0 or more"),
        ("vat", {"pretrain_batch_size": 0}, "pretrain_batch_size: got 0; expected at least 1"),
        ("vat", {"backend": "features", "max_length": 128}, "pretrain_steps: got 3; it is for models that read texts"),
    ]
    for method, changes, told in cases:
        more = {} if method == "in_domain_pretraining" else changes
        assert train(method, "out", **{"pretrain_steps": 3, "strong": "auto", "max_length": 16, **more}) == 2
        assert told in capsys.readouterr().err
    assert not Path("out").exists()

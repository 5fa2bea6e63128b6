"""The estimate before a run: on trial, without a trace in what follows."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from tests.recipes.tiny_pictures import ran
from tests.recipes.tiny_task import comparable
from textssl.cli import recipe
from textssl.cli.run import timing
from textssl.cli.run.schedule import Length
from textssl.cli.run.timing import estimate_line


DIGITS = {"source": "digits", "labels": 20, "num_test": 40, "num_unlabeled": 100, "backend": "features"}


@pytest.mark.slow
@pytest.mark.parametrize("method", ["fixmatch", "mean_teacher"])
def test_a_trial_changes_nothing(method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = {}
    for worth in (1, 10**9):
        monkeypatch.setattr(recipe, "WORTH", worth)
        out[worth] = tmp_path / str(worth)
        done = ran("train.py", out[worth], method=method, **DIGITS, max_steps=8, baseline_steps=8)
        assert bool(re.search(rf"^time: about .* of supervised, .* of {method}, ", done.stderr, re.MULTILINE)) is (
            worth == 1
        )
    for stage in ("supervised", method):
        first, second = (load_file(folder / stage / "model.safetensors") for folder in out.values())
        assert all(torch.equal(first[name], second[name]) for name in first)
    results = [comparable(json.loads((folder / "results.json").read_text())) for folder in out.values()]
    assert results[0] == results[1]
    assert {path.name for path in out[1].iterdir()} == {path.name for path in out[10**9].iterdir()}


def resolved(**changes: Any) -> Any:
    config = SimpleNamespace(
        per_device_train_batch_size=10, gradient_accumulation_steps=1, mu=3, warm_start_steps=20, world_size=1,
        eval_strategy="no", eval_steps=50, count_finetune_steps=lambda steps: 0,
    )  # fmt: skip
    data = SimpleNamespace(test=range(1000), validation=None)
    baseline = Length(80, 1.0, 100, "labeled")
    values = {"method": "uda", "config": config, "data": data, "baseline": baseline}
    return SimpleNamespace(**values, length=Length(100, 1.0, 1000, "unlabeled"), **changes)


def test_what_the_steps_add_up_to() -> None:
    # 80 steps of the baseline and 20 of the warm start at 1 s, 80 of the method at 5 s; 2,500 examples are evaluated
    # at a thirtieth of a second each.
    assert estimate_line(resolved(), 1.0, 5.0).startswith(
        f"time: about {round((100 + 400 + 2500 / 30) / 60)} min from"
    )
    # A step that was not tried has four times the rows.
    line = estimate_line(resolved(), 1.0, None)
    assert line.startswith(f"time: about {round((100 + 320 + 2500 / 30) / 60)} min from")
    assert "a step of uda was not tried" in line


def test_the_first_step_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, control = timing._Clock(), SimpleNamespace(should_training_stop=False)
    now = {"at": 0.0}
    monkeypatch.setattr(timing.time, "monotonic", lambda: now["at"])
    clock.on_train_begin(None, None, None)
    for step, seconds in enumerate([5.0, 1.0, 1.0, 2.0, 1.0, 1.0], 1):
        assert not control.should_training_stop
        now["at"] += seconds
        clock.on_step_end(None, SimpleNamespace(global_step=step), control)
    assert control.should_training_stop
    assert clock.seconds == [1.0, 1.0, 2.0, 1.0, 1.0]

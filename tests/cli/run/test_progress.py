"""What a log shows of a training."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import transformers.trainer

from textssl.cli.run import progress
from textssl.cli.run.progress import StageProgress, own_progress, said_seconds


def state(step: int) -> SimpleNamespace:
    return SimpleNamespace(global_step=step, max_steps=100, is_world_process_zero=True)


@pytest.fixture
def args(tmp_path: Path) -> Any:
    return SimpleNamespace(output_dir=str(tmp_path / "uda"), disable_tqdm=False)


def test_a_line_after_some_time_and_at_each_evaluation(
    args: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = {"now": 0.0}
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock["now"])
    shown = StageProgress()
    shown.on_train_begin(args, state(0), None)
    for step in range(1, 101):
        clock["now"] += 2.0
        shown.on_step_end(args, state(step), None)
        shown.on_log(args, state(step), None, {"loss": 1 / step})
        if step == 20:
            shown.on_evaluate(args, state(step), None, {"eval_accuracy": 0.825})
    shown.on_train_end(args, state(100), None)
    lines = capsys.readouterr().err.splitlines()
    # 30 s are 15 steps; the evaluation told it too.
    assert lines[0] == "uda: step 15 of 100 (15 %), loss 0.0714, about 3 min left"
    assert lines[1] == "uda: step 20 of 100 (20 %), loss 0.05, validation accuracy 82.5 %, about 3 min left"
    assert [line.split()[2] for line in lines[:-1]] == ["15", "20", "35", "50", "65", "80", "95"]
    assert lines[-2].endswith(", about 10 s left")
    assert lines[-1] == "uda: 100 steps in 3 min, last loss 0.01"


def test_a_resumed_training_counts_its_own_steps(args: Any, capsys: pytest.CaptureFixture[str]) -> None:
    shown = StageProgress()
    shown.on_train_begin(args, state(90), None)
    shown.on_train_end(args, state(100), None)
    assert capsys.readouterr().err == "uda: 10 steps in 1 s\n"


def test_other_processes_are_silent(args: Any, capsys: pytest.CaptureFixture[str]) -> None:
    shown, other = StageProgress(), state(1)
    other.is_world_process_zero = False
    shown.on_train_begin(args, other, None)
    shown.on_evaluate(args, other, None, {"eval_accuracy": 0.5})
    shown.on_train_end(args, other, None)
    assert capsys.readouterr() == ("", "")


def test_it_takes_the_place_of_trainer_s_own_for_a_while() -> None:
    module: Any = transformers.trainer
    before = module.DEFAULT_PROGRESS_CALLBACK, module.PrinterCallback
    with own_progress():
        assert module.DEFAULT_PROGRESS_CALLBACK is module.PrinterCallback is StageProgress
    assert (module.DEFAULT_PROGRESS_CALLBACK, module.PrinterCallback) == before


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0.2, "1 s"), (59.7, "60 s"), (89, "89 s"), (130, "2 min"), (5000, "83 min"), (9000, "2.5 h")],
)
def test_durations(seconds: float, told: str) -> None:
    assert said_seconds(seconds) == told

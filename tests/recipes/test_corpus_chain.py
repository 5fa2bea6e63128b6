"""What one command writes the next one reads: teacher, pseudo-labels, translations, retrieval, students."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from tests.command_line import Ended
from tests.recipes.tiny_task import TinyTask
from textssl.self_training import trainer as rounds


CommandLine = Callable[..., Ended]

# Says every word with a letter before it.
TRANSLATOR = r"""#!{python} -ISs
import re, sys
if sys.argv[1] == "-l":
    print("  eng-spa\n  spa-eng")
    sys.exit()
sys.stdout.buffer.write(re.sub(r"w(\d)", r"w1\1", sys.stdin.buffer.read().decode()).encode())
"""


@pytest.fixture
def train(task: TinyTask, command_line: CommandLine, tmp_path: Path) -> Callable[..., Ended]:
    def run(*words: object, method: str, out: str, model: object = None) -> Ended:
        settings = ["--max_length", "16", "--max_steps", "2", "--no_baseline", "--output_dir", tmp_path / out]
        ended = command_line("train", *words, "--method", method, "--model", task.folder / "model", *settings)
        assert ended.code == 0, ended.err
        return ended

    return run


@pytest.fixture
def teacher(task: TinyTask, train: Callable[..., Ended], tmp_path: Path) -> Path:
    """The output folder of a run, which stands for the model in it."""
    train(task.folder / "few.csv", method="supervised", out="teacher")
    return tmp_path / "teacher"


def test_pseudo_labels_are_learned_from(
    task: TinyTask,
    teacher: Path,
    train: Callable[..., Ended],
    command_line: CommandLine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pseudo = tmp_path / "pseudo.csv"
    ended = command_line("pseudo-label", teacher, task.folder / "many.jsonl", "-o", pseudo)
    assert ended.code == 0, ended.err
    frame = pd.read_csv(pseudo)
    assert {*frame["label"]} <= {"bad", "fair", "good"}
    # With its probabilities nothing is labeled anew: no rounds.
    monkeypatch.setattr(rounds.RoundsTrainer, "_label", lambda *_: pytest.fail("a teacher was asked again"))
    for method in ("distillation", "self_training", "noisy_student"):
        train(task.folder / "few.csv", pseudo, method=method, out=method)
    # The hard labels are those of a labeled file.
    confident = tmp_path / "confident.csv"
    pd.concat([frame, pd.read_csv(task.folder / "few.csv")]).to_csv(confident, index=False)
    assert "the labels are a classifier's" in train(confident, method="supervised", out="hard").err


def test_translations_are_a_strong_view(
    task: TinyTask,
    train: Callable[..., Ended],
    command_line: CommandLine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    program = tmp_path / "bin" / "apertium"
    program.parent.mkdir()
    program.write_text(TRANSLATOR.replace("{python}", sys.executable))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    out = tmp_path / "translated.csv"
    ended = command_line("back-translate", task.folder / "many.jsonl", "-o", out)
    assert ended.code == 0, ended.err
    told = train(task.folder / "few.csv", out, "--strong", "back_translation", method="uda", out="uda")
    assert "strong view: column back_translation" in told.out + told.err


def test_retrieved_sentences_are_labeled_and_learned_from(
    task: TinyTask, teacher: Path, train: Callable[..., Ended], command_line: CommandLine, tmp_path: Path
) -> None:
    bank, found, pseudo = tmp_path / "bank", tmp_path / "found.csv", tmp_path / "pseudo.parquet"
    few, many = task.folder / "few.csv", task.folder / "many.jsonl"
    assert command_line("bank", "build", many, few, "-o", bank).code == 0
    ended = command_line("bank", "search", bank, few, "-o", found, "--near-duplicate", "0")
    assert ended.code == 0, ended.err
    labeled = {text.casefold() for text in pd.read_csv(few)["text"]}
    assert not labeled & {text.casefold() for text in pd.read_csv(found)["text"]}
    assert command_line("pseudo-label", teacher, found, "-o", pseudo, "--per-class", "20").code == 0
    train(few, pseudo, method="distillation", out="student")
    # In one go, and the same classes.
    both = tmp_path / "both.jsonl"
    words = ["--teacher", teacher, "--balance", "none", "--near-duplicate", "0"]
    assert command_line("bank", "search", bank, few, "-o", both, *words).code == 0
    rows = {row["text"]: row["label"] for row in map(json.loads, both.read_text().splitlines())}
    frame = pd.read_parquet(pseudo)
    assert frame["label"].tolist() == [rows[text] for text in frame["text"]]

"""The help of a method: short, and true of the run that it is asked for."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.recipes.tiny_pictures import make_pictures, ran, run_words
from tests.recipes.tiny_task import TinyTask, make_task
from textssl.cli.help import WIDTH


# Imports of the libraries that it reads data with, and data.
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> TinyTask:
    return make_task(tmp_path_factory.mktemp("task"))


def words(task: TinyTask, *more: str) -> list[str]:
    files = [str(task.folder / "few.csv"), str(task.folder / "many.jsonl")]
    return [*files, "--preset=cpu", f"--model={task.folder / 'model'}", "--max_length=16", *more]


def values(printed: str) -> dict[str, str]:
    return {name: value for name, value in re.findall(r"^  (?:-\S+, )?--(\w+) (\S+)", printed, re.MULTILINE)}


def test_help_shows_what_the_run_then_uses(task: TinyTask, tmp_path: Path) -> None:
    """No default that a preset replaces, and the steps that the passes over these files make."""
    asked = words(task, "--num_train_epochs=2", "--relative_threshold=0.4", f"--output_dir={tmp_path / 'out'}")
    done = run_words("train.py", "--method=fixmatch", *asked, "--help")
    assert (done.code, done.stderr) == (0, "")
    assert not (tmp_path / "out").exists()
    shown = values(done.stdout)
    # 60 unlabeled examples in batches of 24 are three steps a pass.
    assert (shown["max_steps"], shown["max_length"], shown["preset"]) == ("6", "16", "cpu")
    # From chance, a third, 0.4 of the way to 1.
    assert float(shown["threshold"]) == pytest.approx(0.6)
    # A warm start of a fifth of six steps.
    assert shown["warm_start_steps"] == "1"
    quick = {"max_steps": None, "baseline_steps": 2, "train_file": None}
    told = dict(word.removeprefix("--").split("=", 1) for word in asked[2:])
    told |= {"train_file": asked[0], "unlabeled_file": asked[1]}
    ran("train.py", tmp_path / "out", **{"method": "fixmatch", **quick, **told})
    trained = json.loads((tmp_path / "out" / "fixmatch" / "training_args.json").read_text())
    for name in (
        "max_steps",
        "threshold",
        "learning_rate",
        "warm_start_steps",
        "ema_decay",
        "mu",
        "seed",
        "max_length",
    ):
        assert float(shown[name]) == pytest.approx(float(trained[name]), rel=1e-5), name


def test_it_fits_two_screens_and_begins_with_the_method(task: TinyTask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(WIDTH))
    printed = run_words("train.py", "--method=uda", *words(task), "--help").stdout
    lines = printed.splitlines()
    assert len(lines) <= 100
    assert max(map(len, lines)) <= max(WIDTH, 200)
    titles = [line for line in lines if line in ("uda", "data", "training", "model", "views", "supervised baseline")]
    assert titles == ["uda", "data", "training", "model", "views", "supervised baseline"]
    assert "lambda, weight of the consistency term." in " ".join(printed.split())
    assert "--adam_beta1" not in printed
    everything = run_words("train.py", "--method=uda", *words(task), "--help-all").stdout
    assert "--adam_beta1 0.9" in everything
    assert "--batch_norm all" in everything


def test_images_have_no_flags_of_texts(tmp_path: Path) -> None:
    files: dict[str, Any] = make_pictures(tmp_path / "own")
    printed = run_words(
        "train.py", "--method=fixmatch", f"--train_file={files['train_file']}",
        f"--unlabeled_file={files['unlabeled_file']}", "--preset=cpu", "--help",
    ).stdout  # fmt: skip
    assert ", image, " in printed
    assert "image_column" in values(printed)
    assert not {"text_column", "max_length", "second_view"} & values(printed).keys()


def test_a_mistake_in_the_other_flags_is_told(task: TinyTask) -> None:
    done = run_words("train.py", "--method=uda", *words(task, "--mu=0"), "--help")
    assert done.code == 2
    assert "mu: got 0" in done.stderr


def test_data_that_cannot_be_read_leave_the_help(tmp_path: Path) -> None:
    printed = run_words("train.py", "--method=uda", str(tmp_path / "none.csv"), "--preset=cpu", "--help")
    assert printed.code == 0
    assert "They were worked out without the data: train_file: no such file or folder" in printed.stdout

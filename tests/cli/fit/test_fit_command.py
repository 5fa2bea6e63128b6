"""``textssl fit`` as a person calls it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from transformers import pipeline

from tests.command_line import Ended, call
from tests.recipes.tiny_task import TinyTask, make_task
from textssl.data.tables import load_table
from textssl.fit import classifier
from textssl.fit.candidates.heads import Probe
from textssl.fit.candidates.self_training import SelfTraining


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> TinyTask:
    return make_task(tmp_path_factory.mktemp("task"))


@pytest.fixture(autouse=True)
def _two_candidates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(classifier, "CANDIDATES", (Probe(), SelfTraining()))


@pytest.fixture
def fit(task: TinyTask, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Any:
    """The command on the files of the tiny task, or on others."""

    def run(*words: object, out: Path = tmp_path / "out", encoder: object = task.folder / "model") -> Ended:
        more = ("--encoder", encoder, "--max-length", 16, "--level", "fast", "--embedding-cache", tmp_path / "cache")
        return call(capfd, "fit", "-o", out, *more, *words)

    return run


def test_from_two_files_to_a_model(task: TinyTask, tmp_path: Path, fit: Any) -> None:
    few, many, held = (task.folder / name for name in ("few.csv", "many.jsonl", "held_out.csv"))
    done = fit(few, many, "--test", held)
    assert done.code == 0, done.err
    model = tmp_path / "out" / "model"
    assert "few.csv: texts, 12 labeled (bad 4, fair 4, good 4), 60 unlabeled, 30 held out" in done.err
    assert "| probe " in done.out
    assert "expected accuracy:" in done.out
    assert done.err.splitlines()[-1] == f"next: textssl predict {model} {held} -o predictions.csv"
    rows = load_table(held)
    names = rows.features["label"].names
    told = pipeline("text-classification", model=str(model))
    right = [found["label"] == names[i] for found, i in zip(told(rows["text"][:]), rows["label"][:], strict=True)]
    assert json.loads((tmp_path / "out" / "test.json").read_text())["accuracy"] == pytest.approx(np.mean(right))
    # The same command again repeats no training; other data need another folder, or --overwrite.
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out" / "search").rglob("*.safetensors")}
    assert fit(few, many, "--test", held).code == 0
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out" / "search").rglob("*.safetensors")} == before
    other = fit(held, many, "--seed", 1)
    assert other.error == (
        f"output_dir: {str(tmp_path / 'out')!r} holds the result of other settings: seed was 0, now 1, other labeled "
        "examples; choose another, or start anew with overwrite"
    )
    again = fit(held, many, "--seed", 1, "--overwrite", "--json")
    assert again.json["num_labeled"] == 30
    assert again.json["model"] == str(model)
    assert not set(before) & {*(tmp_path / "out" / "search").rglob("*.safetensors")}


def test_one_file_with_gaps_and_columns_of_other_names(task: TinyTask, tmp_path: Path, fit: Any) -> None:
    rows = load_table(task.folder / "few.csv")
    names = rows.features["label"].names
    lines = [f'"{row["text"]}",{names[row["label"]]},{i}' for i, row in enumerate(rows)]
    lines += ["w1 w2 w3,,12", "w11 w12 w13, ,13", ",good,14"]
    path = tmp_path / "reviews.csv"
    path.write_text("\n".join(["review,sentiment,number", *lines]))
    done = fit(path)
    assert done.code == 0, done.err
    for line in (
        f"{path}: 'review' is taken as the column of texts",
        f"{path}: 'sentiment' is taken as the column of labels",
        f"{path}: 1 of 15 rows have no text and are left out; the first is row 14",
        f"{path}: 2 of 14 rows have no label and are unlabeled examples",
        "12 labeled (bad 4, fair 4, good 4), 2 unlabeled",
    ):
        assert line in done.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["absent.csv"], "labeled: no such file or folder: 'absent.csv'"),
        (["few.csv", "absent.csv"], "unlabeled: no such file or folder: 'absent.csv'"),
        (["few.csv", "--test", "absent.csv"], "test: no such file or folder: 'absent.csv'"),
        (["few.csv", "--level", "quick"], "level: got 'quick'; allowed: fast, balanced, best"),
        (["few.csv", "--time-budget", "soon"], "time_budget: got 'soon'; expected a time above 0"),
        (["few.csv", "--time-budget", "0m"], "time_budget: got '0m'; expected a time above 0"),
        (
            ["few.csv", "--label-column", "klass"],
            "labeled: few.csv: no column 'klass' (label_column); its columns are",
        ),
        (["few.csv", "--leval", "fast"], "No such option: --leval; did you mean --level?"),
        (["many.jsonl"], "labeled: many.jsonl: no column of labels (label_column); its columns are ['text']"),
    ],
)
def test_a_mistake_is_one_line(
    task: TinyTask, fit: Any, monkeypatch: pytest.MonkeyPatch, words: list[str], message: str
) -> None:
    monkeypatch.chdir(task.folder)
    assert fit(*words).error.startswith(message)


@pytest.mark.parametrize(("text", "seconds"), [("300", 300), ("5m", 300), ("1.5 h", 5400), ("90s", 90)])
def test_a_time_budget(text: str, seconds: float) -> None:
    from textssl.cli.fit.options import FitOptions

    assert FitOptions(train_file="few.csv", time_budget=text).seconds == seconds

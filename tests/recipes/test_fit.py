"""The recipe that lets the library choose: own files with and without labels, and mistakes in one line."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from transformers import pipeline

from tests.recipes.tiny_pictures import Ran, run_words
from tests.recipes.tiny_task import ROOT, TinyTask
from textssl.data.tables import load_table
from textssl.fit import classifier
from textssl.fit.candidates.heads import Probe
from textssl.fit.candidates.self_training import SelfTraining
from textssl.report import RunReport


@pytest.fixture(autouse=True)
def _two_candidates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(classifier, "CANDIDATES", (Probe(), SelfTraining()))


def fit(task: TinyTask, out: Path, *words: str, **changes: Any) -> Ran:
    flags = {
        "train_file": task.folder / "few.csv",
        "unlabeled_file": task.folder / "many.jsonl",
        "test_file": task.folder / "held_out.csv",
        "encoder": task.folder / "model",
        "max_length": 16,
        "level": "fast",
        "output_dir": out,
        "embedding_cache": out.parent / "cache",
        **changes,
    }
    return run_words("fit.py", *(f"--{name}={value}" for name, value in flags.items() if value is not None), *words)


def test_own_files_give_a_table_figures_and_a_folder(task: TinyTask, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (tmp_path / "about.yaml").write_text("bad: w0 w1\ngood: [w10 w11, w12]\n")
    done = fit(task, out, label_descriptions=tmp_path / "about.yaml")
    assert done.code == 0, done.stderr
    before, after = done.stderr, done.stdout
    assert "few.csv: texts, 12 labeled (bad 4, fair 4, good 4), 60 unlabeled, 30 held out" in before
    assert "level fast, at most 70 s once the embeddings are there: probe, self_training" in before
    assert "expected accuracy:" in after
    told = pipeline("text-classification", model=str(out / "model"))
    held = load_table(task.folder / "held_out.csv")
    names = held.features["label"].names
    right = np.mean(
        [found["label"] == names[i] for found, i in zip(told(held["text"][:]), held["label"][:], strict=True)]
    )
    (figure,) = re.findall(r"on 30 held-out examples: accuracy ([\d.]+) %", after)
    assert float(figure) == pytest.approx(100 * right, abs=0.06)
    assert json.loads((out / "test.json").read_text())["accuracy"] == pytest.approx(right)
    assert f"the model is in {out / 'model'}" in after
    assert before.splitlines()[-1].startswith(f"next: textssl predict {out / 'model'} ")


def test_fewer_labels_leave_the_other_rows_unlabeled(task: TinyTask, tmp_path: Path) -> None:
    done = fit(task, tmp_path / "out", labels=6, unlabeled_file=None, test_file=None)
    assert "6 labeled (bad 2, fair 2, good 2), 6 unlabeled\n" in done.stderr
    assert "held-out examples: accuracy" not in done.stdout


def test_names_alone(task: TinyTask, tmp_path: Path) -> None:
    about = tmp_path / "about.json"
    about.write_text(json.dumps({"bad": "w0 w1 w2", "fair": "w5 w6 w7", "good": "w10 w11 w12"}))
    done = fit(task, tmp_path / "out", train_file=None, label_descriptions=about)
    assert done.code == 0, done.stderr
    assert "no labels: classes bad, fair, good by their names and descriptions" in done.stderr
    assert "on 30 held-out examples: accuracy" in done.stdout


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"encodr": "x"}, "error: --encodr: no such flag; did you mean encoder?"),
        ({"source": "imdb"}, "error: source: got 'imdb' with train_file, unlabeled_file, test_file; give one"),
        (
            {"train_file": None, "unlabeled_file": None},
            "error: train_file: got none; give own files, or --source NAME",
        ),
        ({"train_file": None}, "error: train_file: got none; without labels, give --label_names or"),
        ({"train_file": "absent.csv"}, "error: train_file:"),
        ({"test_file": "absent.csv"}, "error: test_file:"),
        ({"level": "good"}, "error: level: got 'good'"),
        ({"time_budget": "soon"}, "error: time_budget: got 'soon'; expected a time"),
        ({"labels": 0}, "error: num_labeled: got 0; expected at least 1"),
        ({"label_descriptions": "absent.yaml"}, "error: label_descriptions: absent.yaml does not exist"),
        ({"encoder": "absent"}, "error: encoder:"),
        ({"text_column": "body"}, "body"),
    ],
    ids=range(12),
)
def test_a_mistake_is_one_line(task: TinyTask, tmp_path: Path, changes: Any, message: str) -> None:
    done = fit(task, tmp_path / "out", **changes)
    assert done.code == 2
    assert message in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out" / "model").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[a", "is no YAML file"),
        ("- a", "holds no names"),
        ("yes: right", "has the key True; put such names in quotes"),
        ("gud: fine", "got 'gud'; the classes are"),
        ("good: ''", "got '' for 'good'; expected a text with words"),
    ],
)
def test_mistakes_in_a_file_of_descriptions(task: TinyTask, tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "about.yaml").write_text(text)
    done = fit(task, tmp_path / "out", label_descriptions=tmp_path / "about.yaml")
    assert done.code == 2
    assert f"label_descriptions: {message}" in done.stderr or message in done.stderr


def test_a_folder_of_something_else_and_classes_of_the_test_file(task: TinyTask, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    done = fit(task, tmp_path)
    assert done.code == 2
    assert "holds files of something else; choose another" in done.stderr
    other = tmp_path / "other.csv"
    other.write_text("text,label\nw1 w2,ugly\n")
    done = fit(task, tmp_path / "out", test_file=other)
    assert done.code == 2
    assert done.stderr.splitlines()[-1].startswith("error: test_file:")


def test_the_example_of_the_page_runs(task: TinyTask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its code, with a tiny encoder in the place of the one of the package."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("textssl.fit.embeddings.embedded_model_path", lambda: task.folder / "model")
    monkeypatch.setenv("TEXTSSL_CACHE", str(tmp_path / "cache"))
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "guides" / "fit.md").read_text(), re.DOTALL)
    assert len(blocks) == 2
    scope: dict[str, Any] = {
        "labeled": load_table(task.folder / "few.csv"),
        "unlabeled": load_table(task.folder / "many.jsonl", label_column=None),
    }
    for block in blocks:
        exec(block.replace("output_dir=", "max_length=16, output_dir="), scope)
    told = scope["classify"](["Some text."])[0]["label"]
    assert told == scope["result"].predict(["Some text."])[0]


def test_a_choice_writes_its_report(task: TinyTask, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = fit(task, out)
    assert done.code == 0, done.stderr
    report = RunReport.read(out)
    tested = json.loads((out / "test.json").read_text())
    assert report.evaluation is not None
    assert report.evaluation.accuracy == pytest.approx(tested["accuracy"])
    assert report.evaluation.log_loss == pytest.approx(tested["log_loss"])
    # The baseline, then the others by their log-loss.
    assert report.candidates[0].name == "probe"
    assert "self_training" in [candidate.name for candidate in report.candidates]
    assert report.command is not None
    assert report.command.startswith(f"textssl fit {task.folder / 'few.csv'} {task.folder / 'many.jsonl'} --test")
    assert (out / "label_next.csv").is_file()
    assert str(out / "report.html") in done.stdout
    assert fit(task, out).code == 0
    assert fit(task, out, overwrite=True).code == 0

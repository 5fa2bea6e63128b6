"""Own files in part: validation rows, few of the labels, no unlabeled or no held-out examples."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from transformers import pipeline

from tests.recipes.tiny_pictures import make_pictures, ran
from tests.recipes.tiny_task import TinyTask, texts, write_csv
from textssl.data.files import content_checksum
from textssl.data.tables import load_table
from textssl.sources.splits import Split


@pytest.fixture
def few(task: TinyTask) -> dict[str, Any]:
    """12 labeled texts, four of each class, and a tiny model."""
    return {
        "train_file": task.folder / "few.csv",
        "model": task.folder / "model",
        "max_length": 16,
        "warm_start_steps": 0,
        "baseline": False,
    }


def results_of(out: Path, method: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / "results.json").read_text())[method]
    return found


def test_a_share_of_the_labeled_rows_is_held_out(few: dict[str, Any], tmp_path: Path) -> None:
    """No other file is needed by supervised training; what was measured has a name of its own."""
    out = tmp_path / "out"
    done = ran("train.py", out, method="supervised", validation_split=0.25, eval_steps=1, save_steps=2, **few)
    assert "supervised; few (own files): 9 labeled, 3 for validation; strong view: none" in done.printed
    assert "accuracy on 3 validation examples; --test_file names held-out ones" in done.stdout
    data = load_table(few["train_file"])
    split = Split.load(out / "split.json", checksum=content_checksum(data, ["text", "label"]))
    assert sorted(data["label"][i] for i in split.validation) == [0, 1, 2]
    assert len(split.labeled) == 9
    assert not len(split.unlabeled)
    result = results_of(out, "supervised")
    names = data.features["label"].names
    told = pipeline("text-classification", model=str(out / "supervised"))
    right = [told(data["text"][i])[0]["label"] == names[data["label"][i]] for i in split.validation.tolist()]
    assert result["validation_accuracy"] == pytest.approx(np.mean(right))
    assert (result["accuracy"], result["macro_f1"]) == (None, None)
    assert [entry["step"] for entry in result["history"] if "eval_accuracy" in entry] == [1, 2]
    (line,) = [text for text in done.stdout.splitlines() if text.startswith("| supervised")]
    assert line.split("|")[4].strip() == f"{100 * result['validation_accuracy']:.2f}"
    card = (out / "supervised" / "README.md").read_text()
    assert "model-index" not in card
    assert "held out" not in card


def test_fewer_labels_leave_the_other_rows_unlabeled(few: dict[str, Any], task: TinyTask, tmp_path: Path) -> None:
    held = task.folder / "held_out.csv"
    done = ran("train.py", tmp_path / "out", method="fixmatch", labels=6, strong="tfidf", test_file=held, **few)
    assert "few (own files): 6 labeled, 6 unlabeled, 30 held out" in done.printed
    assert "accuracy on 30 held-out examples" in done.stdout
    split = Split.load(tmp_path / "out" / "split.json")
    labels = np.array(load_table(few["train_file"])["label"])
    assert np.bincount(labels[split.labeled]).tolist() == [2, 2, 2]
    assert json.loads((tmp_path / "out" / "run.json").read_text())["settings"]["num_labeled"] == 6
    assert "no validation data: training is not followed by an evaluation; --validation_split 0.2" in done.printed


def test_labels_in_a_file_of_settings_count_and_those_of_a_preset_do_not(few: dict[str, Any], tmp_path: Path) -> None:
    settings = tmp_path / "run.yaml"
    settings.write_text("num_labeled: 3\nvalidation_split: 0.25\n")
    done = ran("train.py", tmp_path / "a", method="supervised", config=settings, **few)
    assert "few (own files): 3 labeled, 6 unlabeled, 3 for validation" in done.printed
    done = ran("train.py", tmp_path / "b", method="supervised", eval_strategy="no", **few)
    assert "few (own files): 12 labeled; strong view" in done.printed
    assert "no accuracy was measured: --test_file names held-out examples" in done.stdout
    assert "no validation data" not in done.printed
    assert json.loads((tmp_path / "b" / "run.json").read_text())["settings"]["num_labeled"] is None
    assert "validation_accuracy" not in results_of(tmp_path / "b", "supervised")
    assert not (tmp_path / "b" / "split.json").exists()


def test_a_validation_file(few: dict[str, Any], task: TinyTask, tmp_path: Path) -> None:
    more = write_csv(tmp_path / "followed.csv", *texts(6, 9))
    done = ran(
        "train.py", tmp_path / "out", method="supervised", validation_file=more,
        test_file=task.folder / "held_out.csv", load_best_model_at_end=True, eval_steps=1, save_steps=1, **few,
    )  # fmt: skip
    assert "few (own files): 12 labeled, 6 for validation, 30 held out" in done.printed
    history = results_of(tmp_path / "out", "supervised")["history"]
    followed = [entry["eval_accuracy"] for entry in history if "eval_accuracy" in entry]
    assert len(followed) == 2
    assert all(6 * accuracy == pytest.approx(round(6 * accuracy)) for accuracy in followed)


@pytest.mark.parametrize("backend", ["image", "features"])
def test_pictures_in_parts(backend: str, tmp_path: Path) -> None:
    train = make_pictures(tmp_path / "own")["train_file"]
    done = ran(
        "train.py", tmp_path / "out", method="fixmatch", train_file=train, backend=backend, labels=6,
        validation_split=0.25, baseline=False,
    )  # fmt: skip
    assert "few (own files): 6 labeled, 3 unlabeled, 3 for validation" in done.printed
    assert results_of(tmp_path / "out", "fixmatch")["validation_accuracy"] in [0, 1 / 3, 2 / 3, 1]
    done = ran("train.py", tmp_path / "b", method="supervised", train_file=train, backend=backend)
    assert "few (own files): 12 labeled; strong view" in done.printed

"""A mistake costs a person one line on stderr, exit status 2, and nothing else."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import datasets
import pytest
from huggingface_hub import constants

from tests.recipes.tiny_task import (
    TinyTask,
    environment,
    error_line,
    launch_recipe,
    tree,
    write_jsonl,
)


Call = Callable[[Sequence[str]], int]
SOME = [{"text": "w1 w2", "label": label} for label in ("bad", "fair", "good")] * 2


@pytest.fixture
def refused(call: Call, task: TinyTask, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Run with changed flags, expect a refusal that writes nothing, and give its message."""

    def run(*more: str, **changes: Any) -> str:
        before = tree(task.folder)
        assert call(task.flags("out", *more, **changes)) == 2
        output = capsys.readouterr()
        assert "method" not in output.out, "it trained first"
        # The record of the settings may stand: a folder that holds nothing else is free.
        assert tree(tmp_path / "cwd").keys() <= {"out/run.json"}
        assert tree(task.folder) == before
        return error_line(output.err)

    return run


TABLES: dict[str, tuple[str, str, list[dict[str, Any]] | str, list[str]]] = {
    "an empty labeled set": ("train_file", "few.csv", "text,label\n", ["few.csv", "no rows"]),
    "an empty labeled file": ("train_file", "few.csv", "", ["few.csv", "is empty"]),
    "a class without examples": (
        "train_file",
        "few.jsonl",
        [{"text": "w1", "label": 0}, {"text": "w2", "label": 2}],
        ["train_file", "few.jsonl", "no example of class '1'"],
    ),
    "one class only": ("train_file", "few.jsonl", SOME[::3], ["train_file", "one class", "bad"]),
    "a label that is missing": (
        "train_file",
        "few.jsonl",
        [*SOME, {"text": "w1", "label": None}],
        ["'label'", "1 of 7 rows", "row 6"],
    ),
    "an empty unlabeled set": ("unlabeled_file", "many.csv", "text\n", ["many.csv", "no rows"]),
    "nulls among the unlabeled texts": (
        "unlabeled_file",
        "many.jsonl",
        [{"text": "w1"}, {"text": None}, {"text": None}],
        ["many.jsonl", "'text'", "2 of 3 rows", "row 1"],
    ),
    "a label that training does not know": (
        "test_file",
        "held_out.jsonl",
        [*SOME, {"text": "w1", "label": "superb"}],
        ["'superb'", "row 6", "held_out.jsonl", "['bad', 'fair', 'good']"],
    ),
    "texts that are numbers": (
        "unlabeled_file",
        "many.jsonl",
        [{"text": 1}, {"text": 2}],
        ["many.jsonl", "'text'", "int64", "not strings"],
    ),
    "a format nobody knows": ("unlabeled_file", "many.xlsx", "x", ["'.xlsx'", ".csv", ".parquet"]),
    "a broken line": ("unlabeled_file", "many.jsonl", '{"text": "w1"}\n{"text": \n', ["many.jsonl", "cannot read"]),
}


@pytest.mark.parametrize(("flag", "name", "content", "told"), TABLES.values(), ids=TABLES.keys())
def test_tables(
    refused: Callable[..., str],
    tmp_path: Path,
    flag: str,
    name: str,
    content: list[dict[str, Any]] | str,
    told: list[str],
) -> None:
    path = tmp_path / name
    if isinstance(content, str):
        path.write_text(content)
    else:
        write_jsonl(path, content)
    message = refused(**{flag: path})
    assert all(part in message for part in told), message


NO_FILES = {"train_file": None, "unlabeled_file": None, "test_file": None}
SETTINGS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "a column of another name": ({"text_column": "body"}, ["'body'", "['text', 'label']"]),
    "another label column": ({"label_column": "stars"}, ["'stars'", "['text', 'label']"]),
    "a file that is not there": ({"train_file": "none.csv"}, ["no such file", "none.csv"]),
    "own files without labels": ({"train_file": None}, ["train_file: got none", "unlabeled_file, test_file"]),
    "a method without its unlabeled data": (
        {"unlabeled_file": None},
        ["unlabeled_file: got none", "learns from unlabeled data", "--labels N"],
    ),
    "more labels than there are": ({"labels": 13}, ["num_labeled: got 13", "at least 3", "at most 12"]),
    "fewer labels than classes": ({"labels": 2}, ["num_labeled: got 2", "at least 3"]),
    "validation rows of a source": ({"num_validation": 5}, ["num_validation: got 5", "--validation_split 0.2"]),
    "a share that is all": ({"validation_split": 0.99}, ["validation_split: got 0.99", "none would be left"]),
    "a class that is held out": (
        {"validation_split": 0.8},
        ["validation_split: got 0.8; of 12 labeled examples none of class", "would be left to train on"],
    ),
    "an evaluation without data": (
        {"eval_strategy": "steps"},
        ["eval_strategy: got 'steps'", "no validation data", "--validation_split 0.2"],
    ),
    "a threshold above 1": ({"threshold": 1.5}, ["threshold", "1.5", "[0, 1]"]),
    "a threshold below 0": ({"threshold": -0.1}, ["threshold", "-0.1", "[0, 1]"]),
    "a threshold that is no number": ({"threshold": "high"}, ["threshold", "'high'"]),
    "a temperature of 0": ({"temperature": 0}, ["temperature", "0.0"]),
    "a temperature below 0": ({"temperature": -1}, ["temperature", "-1.0"]),
    "an unknown preset": ({"preset": "gpu"}, ["preset", "'gpu'", "auto, cpu, paper"]),
    "an unknown schedule": ({"tsa": "cosine"}, ["tsa", "'cosine'", "linear", "log", "exp"]),
    "an unknown optimizer": ({"optim": "adagrod"}, ["adagrod"]),
    "an unknown flag": ({"treshold": 0.5}, ["--treshold", "no such flag", "did you mean threshold?"]),
    "an unknown view": ({"strong": "paraphrase"}, ["strong", "'paraphrase'", "tfidf"]),
    "noise of 1": ({"noise": 1}, ["noise", "1.0", "[0, 1)"]),
    "noise below 0": ({"noise": -0.1}, ["noise", "-0.1", "[0, 1)"]),
    "noise that is no number": ({"noise": "much"}, ["noise", "'much'"]),
    "an unknown kind of noise": (
        {"noise_kind": "pairs"},
        ["noise_kind", "'pairs'", "symmetric, asymmetric, keywords"],
    ),
    "keywords for own files": ({"noise_kind": "keywords"}, ["noise_kind", "'keywords'", "imdb", "own files"]),
    "keywords for another source": (
        {"noise_kind": "keywords", "source": "rotten_tomatoes:embedded", **NO_FILES},
        ["noise_kind", "'keywords'", "imdb", "not for rotten_tomatoes"],
    ),
    "keywords and noise": (
        {"noise_kind": "keywords", "noise": 0.4, "source": "embedded", **NO_FILES},
        ["noise: got 0.4", "expected 0 with noise_kind keywords"],
    ),
    "texts longer than the model": ({"max_length": 64}, ["max_length", "64", "32 positions"]),
    "a best model without validation": (
        {"load_best_model_at_end": True, "eval_steps": 4},
        ["load_best_model_at_end", "no validation data", "--validation_split 0.2 or a --validation_file gives some"],
    ),
}


@pytest.mark.parametrize(("changes", "told"), SETTINGS.values(), ids=SETTINGS.keys())
def test_settings(refused: Callable[..., str], changes: dict[str, Any], told: list[str]) -> None:
    message = refused(**changes)
    assert all(part in message for part in told), message


def test_noise_that_leaves_a_class_without_a_label(refused: Callable[..., str], tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "few.jsonl", SOME[:3])
    message = refused(train_file=path, noise=0.4)
    assert "noise: got 0.4; of 3 labels none is '" in message


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("learning_rte: 3e-5\n", ["unknown key 'learning_rte'", "did you mean learning_rate?"]),
        ("learning_rate: [\n", ["no YAML file"]),
        ("", ["holds no keys"]),
        ("threshold: 2\n", ["threshold: got 2.0"]),
    ],
)
def test_config_files(refused: Callable[..., str], tmp_path: Path, content: str, told: list[str]) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(content)
    message = refused(config=path, threshold=None)
    assert all(part in message for part in told), message


def test_a_translator_that_is_not_installed(
    refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    message = refused(strong="apertium")
    assert "apertium is not installed" in message
    assert "apt-get install apertium apertium-eng-spa" in message


NO_HUB = "http://127.0.0.1:9"  # the port that discards, where anything listens there at all


@pytest.fixture
def no_hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HF_TOKEN", "hf_test")
    monkeypatch.setattr(constants, "ENDPOINT", NO_HUB)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


@pytest.mark.usefixtures("no_hub")
def test_a_push_without_a_hub(refused: Callable[..., str]) -> None:
    begin = time.monotonic()
    message = refused("--push_to_hub", hub_model_id="me/tiny")
    assert "--push_to_hub" in message
    assert f"{NO_HUB} cannot be reached" in message
    assert "Run without --push_to_hub" in message
    assert time.monotonic() - begin < 20


@pytest.mark.usefixtures("no_hub")
def test_data_without_a_hub(refused: Callable[..., str]) -> None:
    begin = time.monotonic()
    message = refused(source="hub", train_file=None, unlabeled_file=None, test_file=None)
    assert "stanfordnlp/imdb" in message
    assert "--source embedded, as --preset cpu does" in message
    assert time.monotonic() - begin < 20


def test_a_model_without_a_hub(task: TinyTask, tmp_path: Path) -> None:
    """A true process, and so is its exit status; it does not try for as long as its libraries would."""
    env = {name: value for name, value in environment().items() if not name.lower().endswith("_proxy")}
    env |= {"HF_ENDPOINT": NO_HUB, "HF_HOME": str(tmp_path / "home")}
    del env["HF_HUB_OFFLINE"]
    cwd = tmp_path / "cwd"
    cwd.mkdir()
    done = launch_recipe(task.flags("out", model="some/model"), cwd, env=env)
    assert done.returncode == 2, done.stderr
    message = error_line(done.stderr)
    assert "'some/model' cannot be loaded (the Hub cannot be reached, ConnectError" in message
    assert "--model embedded, as --preset cpu does" in message
    assert "Retrying" not in done.stderr
    assert list(cwd.iterdir()) == []


def test_a_leak_into_own_files_is_refused_where_strict_is_asked_for(
    refused: Callable[..., str], task: TinyTask, tmp_path: Path
) -> None:
    rows = [{"text": f"w{i} w{i + 1}", "label": ["bad", "fair", "good"][i % 3]} for i in range(6)]
    train = write_jsonl(tmp_path / "few.jsonl", rows)
    test = write_jsonl(tmp_path / "test.jsonl", [{"text": "w50", "label": "bad"}, {**rows[4], "text": " w4 w5"}])
    message = refused(train_file=train, test_file=test, data_check="strict")
    assert "test_file: 1 of 2 rows are also in train_file; the first is row 1, as row 4 of train_file" in message
    blank = write_jsonl(tmp_path / "blank.jsonl", [*rows, {"text": " ", "label": "bad"}])
    assert "train_file: 1 of 7 labeled texts are blank; the first is row 6" in refused(train_file=blank)

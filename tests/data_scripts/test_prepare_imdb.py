from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from datasets import Dataset

from data_scripts import prepare_imdb
from textssl.data.files import content_checksum
from textssl.data.tables import load_table
from textssl.sources.named import SOURCES, LoadedSource, load_source
from textssl.sources.splits import Split


pytestmark = pytest.mark.slow

NAMES = ["split.json", "test.parquet", "train_labeled.parquet", "unlabeled.parquet"]
NAMES.append("validation.parquet")


@pytest.fixture(scope="module")
def snippets():
    return load_source("rotten_tomatoes", "embedded")


@pytest.fixture
def small(monkeypatch, snippets):
    """The 8,530 snippets in the place of any data set: they load faster than the reviews."""
    monkeypatch.setattr(prepare_imdb, "load_source", lambda name, origin: snippets)


def run(folder, *more):
    return prepare_imdb.main(["--output_dir", str(folder), "--validation", "100", *more])


def contents(folder):
    return {entry.name: entry.read_bytes() for entry in folder.iterdir()}


def test_real_reviews(tmp_path):
    folder = tmp_path / "imdb"
    assert run(folder, "--source", "embedded", "--seed", "3") == 0
    assert sorted(contents(folder)) == NAMES
    source = load_source("imdb", "embedded")
    split = Split.load(folder / "split.json", checksum=source.checksum)
    assert (split.seed, split.source) == (3, "imdb (embedded)")
    labeled = load_table(folder / "train_labeled.parquet")
    assert np.bincount(labeled["label"]).tolist() == [10, 10]
    assert labeled.features["label"].names == ["negative", "positive"]
    assert labeled["row"][:] == split.labeled.tolist()
    assert labeled["text"][:] == source.train.select(split.labeled)["text"][:]
    validation = load_table(folder / "validation.parquet")
    unlabeled = load_table(folder / "unlabeled.parquet", label_column=None)
    test = load_table(folder / "test.parquet")
    assert unlabeled.column_names == ["text", "row"]
    sizes = [len(part) for part in (labeled, validation, unlabeled, test)]
    assert sizes == [20, 100, 24_902 - 5_000 - 120, 5_000]
    texts = [text for part in (labeled, validation, unlabeled, test) for text in part["text"]]
    assert len(set(texts)) == 24_902


@pytest.mark.usefixtures("small")
def test_the_test_set_does_not_depend_on_the_seed(tmp_path):
    run(tmp_path / "a", "--seed", "0")
    run(tmp_path / "b", "--seed", "1")
    a, b = contents(tmp_path / "a"), contents(tmp_path / "b")
    assert a["test.parquet"] == b["test.parquet"]
    assert a["train_labeled.parquet"] != b["train_labeled.parquet"]


@pytest.mark.usefixtures("small")
def test_the_same_split_again_writes_nothing(tmp_path, capsys):
    assert run(tmp_path / "a") == 0
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "a").iterdir()}
    assert run(tmp_path / "a") == 0
    assert "already holds 20 labeled" in capsys.readouterr().out
    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / "a").iterdir()}


@pytest.mark.usefixtures("small")
def test_another_split_is_refused(tmp_path, capsys):
    run(tmp_path / "a")
    before = contents(tmp_path / "a")
    assert run(tmp_path / "a", "--seed", "1") == 2
    error = capsys.readouterr().err
    assert "holds another split; choose another folder or pass --overwrite" in error
    assert error.count("\n") == 1
    assert contents(tmp_path / "a") == before
    assert run(tmp_path / "a", "--seed", "1", "--overwrite") == 0
    assert json.loads((tmp_path / "a" / "split.json").read_text())["seed"] == 1


@pytest.mark.usefixtures("small")
def test_an_unfinished_split_is_not_taken_for_a_whole_one(tmp_path, monkeypatch, capsys):
    written = prepare_imdb.write_parquet

    def broken(dataset, path):
        if path.name == "validation.parquet":
            raise OSError("disk full")
        written(dataset, path)

    with monkeypatch.context() as patch:
        patch.setattr(prepare_imdb, "write_parquet", broken)
        assert run(tmp_path / "a") == 2
    assert "disk full" in capsys.readouterr().err
    assert sorted(contents(tmp_path / "a")) == ["train_labeled.parquet", "unlabeled.parquet"]
    assert run(tmp_path / "a") == 2
    assert "of an unfinished split" in capsys.readouterr().err
    assert run(tmp_path / "a", "--overwrite") == 0
    assert sorted(contents(tmp_path / "a")) == NAMES


@pytest.mark.usefixtures("small")
def test_a_damaged_split_file(tmp_path, capsys):
    run(tmp_path / "a")
    (tmp_path / "a" / "split.json").write_text("{}")
    assert run(tmp_path / "a") == 2
    assert "not a file of format" in capsys.readouterr().err


def test_unlabeled_texts_of_the_data_set_follow(tmp_path, monkeypatch):
    parts = Dataset.from_dict({"text": list("abcdef"), "label": [0, 1, 0, 1, 0, 1]})
    more = Dataset.from_dict({"text": ["x", "y"], "label": [-1, -1]})
    loaded = LoadedSource(
        "tiny", "hub", parts, parts, more, "text", "label", ("n", "p"), "", "", "",
        content_checksum(parts, ["text", "label"]),
    )  # fmt: skip
    monkeypatch.setattr(prepare_imdb, "load_source", lambda name, origin: loaded)
    assert run(tmp_path / "a", "--labels", "2", "--validation", "2") == 0
    table = pq.read_table(tmp_path / "a" / "unlabeled.parquet").to_pydict()
    assert table["row"][2:] == [-1, -1]
    assert table["text"][2:] == ["x", "y"]
    assert [parts[row]["text"] for row in table["row"][:2]] == table["text"][:2]


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--labels", "1"], "total: expected an integer of at least 2, got 1"),
        (["--labels", "9000"], "class 'negative' has"),
        (["--validation", "-1"], "validation: expected"),
        (["--seed", "-1"], "seed: expected an integer of at least 0, got -1"),
    ],
)
def test_input_that_cannot_work(tmp_path, capsys, arguments, message):
    assert run(tmp_path / "a", *arguments) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "a").exists()


def test_names_that_do_not_exist(tmp_path, capsys):
    assert run(tmp_path / "a", "--dataset", "imbd") == 2
    assert f"known are {', '.join(sorted(SOURCES))}" in capsys.readouterr().err
    assert run(tmp_path / "a", "--source", "disk") == 2
    assert "allowed are auto, hub, embedded" in capsys.readouterr().err


@pytest.mark.usefixtures("small")
def test_a_file_in_the_place_of_the_folder(tmp_path, capsys):
    (tmp_path / "a").write_text("x")
    assert run(tmp_path / "a") == 2
    assert "is a file" in capsys.readouterr().err


def test_as_a_program(tmp_path):
    command = [sys.executable, prepare_imdb.__file__, "--output_dir", str(tmp_path / "a")]
    root = str(Path(prepare_imdb.__file__).parents[1])
    done = subprocess.run(
        [*command, "--dataset", "none"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": root},
    )
    assert done.returncode == 2
    assert done.stderr.startswith("prepare_imdb: error: name: no source 'none'")
    assert done.stderr.count("\n") == 1

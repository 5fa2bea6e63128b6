"""``textssl predict``: what is written equals the pipeline's answers, whatever the file, interrupted or not."""

from __future__ import annotations

import csv
import gzip
import io
import json
import sys
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import PIL.Image
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import ClassLabel, Dataset, Features, Image, Value, load_from_disk
from transformers import pipeline

from tests.command_line import Ended
from tests.contract import tiny_features, tiny_images
from tests.contract.tiny_texts import texts
from tests.inference import saved_models
from tests.inference.saved_models import NAMES, named, save_images, save_pairs, save_plain
from textssl.inference import Classifier, load_classifier, predicting
from textssl.own_data import csv_streams


CommandLine = Callable[..., Ended]
TEXTS = texts(40, 3)[0]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_plain(tmp_path_factory.mktemp("saved") / "model")


@pytest.fixture(scope="module")
def answers(model: Path) -> np.ndarray:
    """What the pipeline says about all texts."""
    found = pipeline("text-classification", model=str(model), top_k=None, device="cpu")(TEXTS, truncation=True)
    scores = [{part["label"]: part["score"] for part in row} for row in found]
    return np.array([[row[name] for name in NAMES] for row in scores])


@pytest.fixture
def small_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several windows for few rows."""
    monkeypatch.setattr(predicting, "WINDOWS", {"text": 8})


def frame() -> pd.DataFrame:
    """Columns of kinds that reading and writing may change."""
    return pd.DataFrame(
        {
            "id": [f"{number:03d}" for number in range(40)],
            "text": TEXTS,
            "count": range(40),
            "price": ["1.50", "NA", "", "-0"] * 10,
            "note": ['a "quoted" one', "two\nlines", "a, b; c\t|", "None"] * 10,
        }
    )


def check(found: pd.DataFrame, answers: np.ndarray) -> None:
    assert list(found["label"]) == [NAMES[number] for number in answers.argmax(1)]
    np.testing.assert_allclose(found["confidence"].astype(float), answers.max(1), atol=2e-6)


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".csv.gz"])
def test_cells_are_written_as_they_were(
    command_line: CommandLine, model: Path, answers: np.ndarray, suffix: str, tmp_path: Path, small_windows: None
) -> None:
    given, written = tmp_path / f"in{suffix}", tmp_path / f"out{suffix}"
    frame().to_csv(given, index=False, sep="\t" if "tsv" in suffix else ",")
    ended = command_line("predict", model, given, "-o", written, "--probabilities", "--batch-size", 3)
    assert ended.code == 0, ended.err
    assert ended.out == ""
    found = pd.read_csv(written, sep="\t" if "tsv" in suffix else ",", dtype=str, keep_default_na=False)
    expected = frame().astype(str)
    pd.testing.assert_frame_equal(found[list(expected)], expected, check_dtype=False)
    check(found, answers)
    columns = [f"probability_{name}" for name in NAMES]
    assert list(found)[5:] == ["label", "confidence", *columns]
    np.testing.assert_allclose(found[columns].astype(float), answers, atol=2e-6)
    assert not (tmp_path / f"out{suffix}.part").exists()


def test_a_table_is_written_as_json_and_as_parquet(
    command_line: CommandLine, model: Path, answers: np.ndarray, tmp_path: Path, small_windows: None
) -> None:
    frame().to_csv(tmp_path / "in.csv", index=False)
    for suffix in (".jsonl", ".jsonl.gz", ".parquet"):
        assert command_line("predict", model, tmp_path / "in.csv", "-o", tmp_path / f"out{suffix}").code == 0
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    # Numbers are numbers where nothing is lost by that, as the zeros of an id would be.
    expected = frame().to_dict("records")
    assert [{name: row[name] for name in expected[0]} for row in rows] == expected
    check(pd.DataFrame(rows), answers)
    assert gzip.decompress((tmp_path / "out.jsonl.gz").read_bytes()) == (tmp_path / "out.jsonl").read_bytes()
    table = pq.read_table(tmp_path / "out.parquet")
    assert table.select(list(frame())).to_pylist() == expected
    assert table.schema.field("count").type == pa.int64()
    check(table.to_pandas(), answers)


def test_json_rows_keep_what_they_had(
    command_line: CommandLine, model: Path, answers: np.ndarray, tmp_path: Path, small_windows: None
) -> None:
    rows: list[dict[str, Any]] = [{"text": text, "n": number} for number, text in enumerate(TEXTS)]
    rows[0] |= {"tags": ["a", "ü"], "nested": {"a": None, "b": 2**70}}
    rows[20] |= {"late": 1.0, "mixed": "x"}
    rows[21] |= {"mixed": 5}
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert command_line("predict", model, tmp_path / "in.jsonl", "-o", tmp_path / "out.jsonl").code == 0
    found = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    check(pd.DataFrame(found), answers)
    assert [{name: row[name] for name in row if name not in ("label", "confidence")} for row in found] == rows
    assert command_line("predict", model, tmp_path / "in.jsonl", "-o", tmp_path / "out.csv").code == 0
    with (tmp_path / "out.csv").open(newline="") as file:
        cells = list(csv.DictReader(file))
    assert list(cells[0]) == ["text", "n", "tags", "nested", "late", "mixed", "label", "confidence"]
    assert (cells[0]["tags"], cells[20]["late"], cells[21]["mixed"], cells[5]["late"]) == (
        '["a", "ü"]',
        "1.0",
        "5",
        "",
    )
    refused = command_line("predict", model, tmp_path / "in.jsonl", "-o", tmp_path / "out.parquet")
    assert "has a column with values of several kinds" in refused.error
    (tmp_path / "array.json").write_text(json.dumps(rows[:20]))
    assert command_line("predict", model, tmp_path / "array.json", "-o", tmp_path / "array.jsonl").code == 0
    assert (tmp_path / "array.jsonl").read_text().splitlines() == [
        json.dumps(r, ensure_ascii=False) for r in found[:20]
    ]


def test_parquet_keeps_its_types(
    command_line: CommandLine, model: Path, answers: np.ndarray, tmp_path: Path, small_windows: None
) -> None:
    kinds = {
        "text": pa.large_string(),
        "small": pa.int8(),
        "day": pa.date32(),
        "time": pa.timestamp("us", "UTC"),
        "vector": pa.list_(pa.float32()),
        "flag": pa.bool_(),
        "none": pa.null(),
    }
    day, time = date(2024, 2, 29), datetime(2024, 2, 29, 12, 30)
    values = {"text": TEXTS, "small": [None, 5] * 20, "day": [day] * 40, "time": [time] * 40}
    values |= {"vector": [[0.5, 1.5]] * 40, "flag": [True, None] * 20, "none": [None] * 40}
    given = pa.table({name: pa.array(values[name], kind) for name, kind in kinds.items()})
    pq.write_table(given, tmp_path / "in.parquet")
    assert command_line("predict", model, tmp_path / "in.parquet", "-o", tmp_path / "out.parquet").code == 0
    found = pq.read_table(tmp_path / "out.parquet")
    assert found.select(list(kinds)).equals(given)
    check(found.to_pandas(), answers)
    assert command_line("predict", model, tmp_path / "in.parquet", "-o", tmp_path / "out.csv").code == 0
    row = pd.read_csv(tmp_path / "out.csv", dtype=str, keep_default_na=False).iloc[0]
    assert list(row[["small", "day", "flag", "vector", "none"]]) == ["", "2024-02-29", "True", "[0.5, 1.5]", ""]
    assert row["time"].startswith("2024-02-29T12:30:00")


def test_a_saved_data_set_keeps_its_features(
    command_line: CommandLine, model: Path, answers: np.ndarray, tmp_path: Path, small_windows: None
) -> None:
    features = Features({"text": Value("string"), "topic": ClassLabel(names=["x", "y"])})
    Dataset.from_dict({"text": TEXTS, "topic": [0, 1] * 20}, features=features).save_to_disk(tmp_path / "data")
    assert command_line("predict", model, tmp_path / "data", "-o", tmp_path / "out.parquet").code == 0
    found = Dataset.from_parquet(str(tmp_path / "out.parquet"), cache_dir=str(tmp_path / "cache"))
    assert found.features["topic"] == ClassLabel(names=["x", "y"])
    check(found.to_pandas(), answers)
    assert command_line("predict", model, tmp_path / "data", "-o", tmp_path / "out.jsonl").code == 0
    assert json.loads((tmp_path / "out.jsonl").read_text().splitlines()[1])["topic"] == "y"
    table = load_classifier(model).predict_table(load_from_disk(str(tmp_path / "data")), probabilities=True)
    assert table.column_names[2:] == ["label", "confidence", *(f"probability_{name}" for name in NAMES)]
    assert table.features["topic"] == features["topic"]
    check(table.to_pandas(), answers)
    np.testing.assert_allclose(table["probability_fair"][:], answers[:, 1], atol=1e-5)


def test_blank_texts_are_kept_without_a_label(command_line: CommandLine, model: Path, tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [{"text": "w1 w2"}, {"text": " \n"}, {"text": None}, {}, {"text": "w3"}]
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    ended = command_line("predict", model, tmp_path / "in.jsonl", "-o", tmp_path / "out.jsonl", "--json")
    assert "warning: 3 of 5 rows have no text; their label is empty" in ended.err
    assert (ended.json["rows"], ended.json["empty"], sum(ended.json["counts"].values())) == (5, 3, 2)
    found = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [row["label"] is None for row in found] == [False, True, True, True, False]
    assert [row["confidence"] is None for row in found] == [False, True, True, True, False]
    command_line("predict", model, tmp_path / "in.jsonl", "-o", tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_text().splitlines()[-2] == ",,"
    (tmp_path / "in.jsonl").write_text('{"text": ""}\n')
    assert command_line("predict", model, tmp_path / "in.jsonl", "-o", tmp_path / "blank.jsonl").code == 0


def test_pairs_are_read_from_the_columns_of_the_training(command_line: CommandLine, tmp_path: Path) -> None:
    folder = save_pairs(tmp_path / "model")
    table = pd.DataFrame({"hypothesis": TEXTS, "premise": TEXTS[::-1]})
    table.to_csv(tmp_path / "in.csv", index=False)
    ended = command_line("predict", folder, tmp_path / "in.csv", "-o", tmp_path / "out.csv")
    assert "texts are read from 'premise' and 'hypothesis', as in training" in ended.err
    both = [{"text": first, "text_pair": second} for first, second in zip(TEXTS[::-1], TEXTS, strict=True)]
    expected = pipeline("text-classification", model=str(folder), device="cpu")(both, truncation=True)
    assert list(pd.read_csv(tmp_path / "out.csv")["label"]) == [answer["label"] for answer in expected]
    table.rename(columns={"hypothesis": "other"}).to_csv(tmp_path / "in.csv", index=False)
    refused = command_line("predict", folder, tmp_path / "in.csv", "-o", tmp_path / "out2.csv")
    assert refused.error.startswith("text_pair_column: the model reads pairs of texts, and ")
    words = ("--text-pair-column", "other", "-o", tmp_path / "out2.csv")
    assert command_line("predict", folder, tmp_path / "in.csv", *words).code == 0
    assert list(pd.read_csv(tmp_path / "out2.csv")["label"]) == list(pd.read_csv(tmp_path / "out.csv")["label"])


def test_images_come_from_folders_and_tables(command_line: CommandLine, tmp_path: Path) -> None:
    folder = save_images(tmp_path / "model")
    images, _ = tiny_images.images(6, 4)
    (tmp_path / "pictures" / "inner").mkdir(parents=True)
    for number, image in enumerate(images):
        image.save(tmp_path / "pictures" / ("inner" if number > 3 else "") / f"{number}.png")
    probs = load_classifier(folder).predict_proba(images)
    expected = [NAMES[number] for number in probs.argmax(1)]
    assert len({*probs.max(1).round(3)}) == 6
    ended = command_line("predict", folder, tmp_path / "pictures", "-o", tmp_path / "out.csv")
    assert ended.code == 0, ended.err
    names = [f"{'inner/' if number > 3 else ''}{number}.png" for number in range(6)]
    found = pd.read_csv(tmp_path / "out.csv").set_index("file").loc[names]
    check(found, probs)
    (tmp_path / "pictures" / "bad.png").write_bytes(b"none")
    pd.DataFrame({"file_name": [*names, "bad.png"], "id": range(7)}).to_csv(
        tmp_path / "pictures" / "table.csv", index=False
    )
    ended = command_line("predict", folder, tmp_path / "pictures" / "table.csv", "-o", tmp_path / "out2.csv")
    assert "warning: 1 of 7 rows have no image that can be read; their label is empty" in ended.err
    found = pd.read_csv(tmp_path / "out2.csv", keep_default_na=False)
    assert (list(found["file_name"]), list(found["label"])) == ([*names, "bad.png"], [*expected, ""])
    dataset = Dataset.from_dict({"image": images, "id": range(6)}).cast_column("image", Image())
    dataset.to_parquet(str(tmp_path / "in.parquet"))
    assert command_line("predict", folder, tmp_path / "in.parquet", "-o", tmp_path / "out.parquet").code == 0
    table = Dataset.from_parquet(str(tmp_path / "out.parquet"), cache_dir=str(tmp_path / "cache"))
    check(table.to_pandas(), probs)
    assert table.features["image"] == Image()
    ended = command_line("predict", folder, tmp_path / "in.parquet", "-o", tmp_path / "out.jsonl")
    assert "column 'image' holds bytes, and is left out; a .parquet output keeps it" in ended.err
    check(pd.DataFrame([json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]), probs)


def test_vectors_come_from_a_column_of_lists(command_line: CommandLine, tmp_path: Path) -> None:
    named(tiny_features.model()).save_pretrained(tmp_path / "model")
    rows = tiny_features.dataset(12, 3).rename_column("features", "embedding")
    rows.to_parquet(str(tmp_path / "in.parquet"))
    ended = command_line("predict", tmp_path / "model", tmp_path / "in.parquet", "-o", tmp_path / "out.csv")
    assert "vectors are read from 'embedding'" in ended.err
    assert "it has a column 'label', so the new one is 'predicted_label'" in ended.err
    expected = load_classifier(tmp_path / "model").predict(np.array(rows["embedding"]))
    assert list(pd.read_csv(tmp_path / "out.csv")["predicted_label"]) == expected
    frame().to_csv(tmp_path / "in.csv", index=False)
    refused = command_line("predict", tmp_path / "model", tmp_path / "in.csv", "-o", tmp_path / "no.csv")
    assert "has 0 columns of vectors" in refused.error


# Interrupted


class Killed(BaseException):
    """Nothing catches it, as nothing does a kill."""


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".jsonl", ".parquet"])
def test_a_killed_call_is_resumed_and_gives_the_same_bytes(
    command_line: CommandLine, model: Path, suffix: str, tmp_path: Path, small_windows: None, monkeypatch: Any
) -> None:
    frame().to_csv(tmp_path / "in.csv", index=False)
    words = ("predict", model, tmp_path / "in.csv", "--batch-size", 3, "-o")
    assert command_line(*words, tmp_path / f"whole{suffix}").code == 0
    own, calls = Classifier.predict_proba, []

    def dies(self: Any, inputs: Any, on_batch: Any = None) -> Any:
        calls.append(len(inputs))
        if len(calls) == 3:
            raise Killed
        return own(self, inputs, on_batch)

    monkeypatch.setattr(Classifier, "predict_proba", dies)
    written = tmp_path / f"out{suffix}"
    with pytest.raises(Killed):
        command_line(*words, written)
    assert not written.exists()
    part = tmp_path / f"out{suffix}.part"
    if suffix != ".parquet":
        # The third window was on its way to the disk.
        with (part / "rows").open("ab") as file:
            file.write(b"half a row")
    ended = command_line(*words, written)
    assert "16 rows are there from the call before" in ended.err
    assert calls == [8, 8, 8, 8, 8, 8]
    assert written.read_bytes() == (tmp_path / f"whole{suffix}").read_bytes()
    assert not part.exists()


def test_another_job_does_not_go_on_where_one_was_killed(
    command_line: CommandLine, model: Path, tmp_path: Path, small_windows: None, monkeypatch: Any
) -> None:
    frame().to_csv(tmp_path / "in.csv", index=False)
    words = ("predict", model, tmp_path / "in.csv", "-o", tmp_path / "out.csv")
    own, calls = Classifier.predict_proba, []

    def dies(self: Any, inputs: Any, on_batch: Any = None) -> Any:
        calls.append(len(inputs))
        if len(calls) == 2:
            raise Killed
        return own(self, inputs, on_batch)

    monkeypatch.setattr(Classifier, "predict_proba", dies)
    with pytest.raises(Killed):
        command_line(*words)
    assert "holds an unfinished output of other probabilities; " in command_line(*words, "--probabilities").error
    frame()[:20].to_csv(tmp_path / "in.csv", index=False)
    assert "holds an unfinished output of other input; start anew with --overwrite" in command_line(*words).error
    assert command_line(*words, "--overwrite").code == 0
    assert len(pd.read_csv(tmp_path / "out.csv")) == 20
    assert "exists; choose another file, or replace it with --overwrite" in command_line(*words).error
    (tmp_path / "out.csv").write_text("mine")
    assert command_line(*words, "--overwrite").code == 0
    assert len(pd.read_csv(tmp_path / "out.csv")) == 20


# Standard input and output


def piped(monkeypatch: pytest.MonkeyPatch, content: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content.encode())))


def test_lines_go_through_a_pipe(
    command_line: CommandLine, model: Path, answers: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    piped(monkeypatch, "\ufeff" + "\n".join(TEXTS))
    ended = command_line("predict", model, "-", "--batch-size", 2)
    rows = [line.split("\t") for line in ended.out.splitlines()]
    check(pd.DataFrame(rows, columns=["label", "confidence"]), answers)


@pytest.mark.parametrize("form", ["csv", "tsv", "jsonl"])
def test_tables_go_through_a_pipe(
    command_line: CommandLine, model: Path, answers: np.ndarray, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = frame()[["text", "note", "id"]]
    separator = "\t" if form == "tsv" else ","
    if form == "jsonl":
        content = given.to_json(orient="records", lines=True)
    else:
        content = given.to_csv(index=False, sep=separator)
    piped(monkeypatch, content)
    ended = command_line("predict", model, "-", "--format", form, "-o", "-", "--batch-size", 2)
    assert ended.code == 0, ended.err
    if form == "jsonl":
        found = pd.DataFrame([json.loads(line) for line in ended.out.splitlines()])
    else:
        found = pd.read_csv(io.StringIO(ended.out), sep=separator, dtype=str, keep_default_na=False)
    pd.testing.assert_frame_equal(found[list(given)], given, check_dtype=False)
    check(found, answers)


def test_a_file_goes_to_standard_output_in_its_own_format(
    command_line: CommandLine, model: Path, answers: np.ndarray, tmp_path: Path
) -> None:
    (tmp_path / "in.txt").write_text("\n".join(TEXTS) + "\n")
    assert len(command_line("predict", model, tmp_path / "in.txt").out.splitlines()) == 40
    ended = command_line("predict", model, tmp_path / "in.txt", "--format", "csv")
    check(pd.read_csv(io.StringIO(ended.out)), answers)
    assert (
        "json: got --json with standard output" in command_line("predict", model, tmp_path / "in.txt", "--json").error
    )


# Large files, and mistakes


def test_windows_are_the_same_whatever_the_blocks_of_the_reader(tmp_path: Path, monkeypatch: Any) -> None:
    frame().to_csv(tmp_path / "in.csv", index=False)
    stream = csv_streams.CsvStream(tmp_path / "in.csv", "csv", None)
    whole = [table.to_pylist() for table in stream.windows(7, skip=3)]  # type: ignore[union-attr]
    assert [len(window) for window in whole] == [7, 7, 7, 7, 7, 2]
    monkeypatch.setattr(csv_streams, "BLOCK_BYTES", 300)
    assert [table.to_pylist() for table in stream.windows(7, skip=3)] == whole  # type: ignore[union-attr]
    assert [row["id"] for window in whole for row in window] == [f"{number:03d}" for number in range(3, 40)]


MISTAKES = [
    ("in.csv", "text\nw1\n", ["-o", "out.xlsx"], "output: 'out.xlsx' ends in '.xlsx'; allowed are .csv"),
    ("in.csv", "text\nw1\n", ["-o", "nowhere/out.csv"], "does not exist"),
    ("in.csv", "text\nw1\n", ["--text-column", "txet"], "text_column: got 'txet'; the columns of"),
    ("in.csv", "text\nw1\n", ["--text-pair-column", "b"], "text_pair_column: got 'b'"),
    ("in.csv", "text\nw1\n", ["--batch-size", "0"], "batch_size: got 0"),
    ("in.csv", "text\nw1\n", ["--format", "jsno", "-o", "-"], "format: got 'jsno'; allowed: lines, csv, tsv, jsonl"),
    ("in.csv", "text\nw1\n", ["--format", "csv"], "format: got 'csv'; it is for standard input and output"),
    ("in.csv", "text\nw1\n", ["-o", "in.csv", "--overwrite"], "output: got 'in.csv', which is the input"),
    ("in.csv", "<!DOCTYPE html>\n<html></html>", [], "holds a page of HTML or XML, not a table"),
    ("in.csv", " \n\n", [], "is empty"),
    ("in.json", '{"data": [{"text": "w1"}]}', [], "is one object with the keys ['data']"),
    ("in.csv", "text,text\nw1,w2\n", [], "more than one column named 'text'"),
    ("in.csv", "text,id\nw1,1\nw2\n", [], "line 3: Expected 2 columns, got 1"),
    ("in.csv", "", [], "is empty"),
    ("in.csv", "text,id\n", [], "holds no rows"),
    ("in.csv", "a,b,c\n1,2,3\n", [], "it cannot be told which one holds the texts"),
    (
        "in.csv",
        "text,label,predicted_label\nw1,a,b\n",
        [],
        "already have a column 'predicted_label'; rename or remove it",
    ),
    ("in.csv.gz", "text\nw1\n", [], "is no whole gzip archive"),
    ("in.jsonl", '{"text": "w1"}\n{"text": \n', [], "line 2"),
    ("in.jsonl", '{"text": "w1"}\n[1]\n', [], "line 2 holds no object"),
    ("in.jsonl", '{"text": "w1"}\n{"text": 5}\n', [], "has 5 as 'text' in row 1"),
    ("in.jsonl", '{"text": "w1"}\n{"text": "w2 \\uD83D"}\n', [], "line 2 has half of a character, '\\ud83d'"),
    (
        "in.jsonl",
        '{"text": 1}\n{"text": 2}\n',
        [],
        "text_column: column 'text' of in.jsonl holds int64; expected texts",
    ),
    ("in.json", '["w1"]', [], "is an array of something else than objects"),
    ("in.parquet", "text\nw1\n", [], "cannot read"),
    ("in.xlsx", "text\nw1\n", [], "ends in '.xlsx'; allowed are .csv"),
]


@pytest.mark.parametrize(("name", "content", "words", "said"), MISTAKES)
def test_a_mistake_is_one_line_and_nothing_is_written(
    command_line: CommandLine, model: Path, name: str, content: str, words: list[str], said: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    Path(name).write_text(content)
    assert said in command_line("predict", model, name, *([] if "-o" in words else ["-o", "out.csv"]), *words).error
    assert [entry.name for entry in tmp_path.iterdir()] == [name]


def test_other_mistakes(command_line: CommandLine, model: Path, tmp_path: Path) -> None:
    assert "no such file or folder" in command_line("predict", model, tmp_path / "in.csv").error
    (tmp_path / "in.csv").write_text("text\nw1\n")
    assert "no folder" in command_line("predict", tmp_path / "no" / "such", tmp_path / "in.csv").error
    images, _ = tiny_images.images(1, 4)
    (tmp_path / "pictures").mkdir()
    images[0].save(tmp_path / "pictures" / "one.png")
    refused = command_line("predict", model, tmp_path / "pictures", "-o", tmp_path / "out.csv").error
    assert "holds images in column 'image', and the model reads texts" in refused
    folder = saved_models.save_images(tmp_path / "images")
    assert "and the model reads images" in command_line("predict", folder, tmp_path / "in.csv").error


def test_numbers_are_no_texts_unless_they_are_named(command_line: CommandLine, model: Path, tmp_path: Path) -> None:
    given = tmp_path / "in.csv"
    given.write_text("num,price\n1,1.5\n2,\n30,-2e3\n")
    refused = command_line("predict", model, given).error
    assert refused.startswith(f"file: {given}: no column 'text'")
    assert "['num', 'price']" in refused
    assert command_line("predict", model, given, "--text-column", "num").code == 0
    given.write_text("num,said\n1,one of them\n2,30\n")
    assert "texts are read from 'said', the only one that fits" in command_line("predict", model, given).err


def test_images_of_more_than_eight_bits_get_no_label(command_line: CommandLine, tmp_path: Path) -> None:
    folder = save_images(tmp_path / "model")
    (tmp_path / "pictures").mkdir()
    for name, scale in (("dark", 1), ("bright", 257)):
        pixels = np.arange(256, dtype=np.uint16).reshape(16, 16) * scale
        PIL.Image.fromarray(pixels).save(tmp_path / "pictures" / f"{name}.png")
    ended = command_line("predict", folder, tmp_path / "pictures", "-o", tmp_path / "out.csv")
    assert "warning: 1 of 2 rows have no image that can be read; their label is empty" in ended.err
    assert "more than 8 bits a channel" in ended.err
    assert list(pd.read_csv(tmp_path / "out.csv")["label"].isna()) == [True, False]


def test_classes_without_a_row_are_not_listed(
    command_line: CommandLine, model: Path, answers: np.ndarray, tmp_path: Path
) -> None:
    (tmp_path / "in.csv").write_text(f"text\n{TEXTS[0]}\n")
    said = command_line("predict", model, tmp_path / "in.csv").err.splitlines()[-1]
    assert said.endswith(f" a second): {NAMES[answers[0].argmax()]} 1 (100 %)")

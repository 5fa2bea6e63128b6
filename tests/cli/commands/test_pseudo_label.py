"""``textssl pseudo-label``: its file holds what the classifier says, and trainers take it."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from datasets import Dataset

from tests.command_line import Ended
from tests.contract import tiny_texts
from tests.ddp.labeling import label_file
from tests.ddp.pool import TwoProcesses
from textssl import DistillationConfig, DistillationTrainer
from textssl.corpus import pseudo_labels
from textssl.data.tables import load_table


CommandLine = Callable[..., Ended]

TEXTS = tiny_texts.unlabeled(10)["text"][:]
NAMES = ["b", "c: d", "a"]
CODES = [f"{i:03d}" for i in range(10)]


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("teacher")
    model = tiny_texts.model(seed=3)
    model.config.id2label, model.config.label2id = dict(enumerate(NAMES)), {name: i for i, name in enumerate(NAMES)}
    model.save_pretrained(folder)
    tiny_texts.tokenizer().save_pretrained(folder)
    return folder


@pytest.fixture
def many(tmp_path: Path) -> Path:
    path = tmp_path / "many.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([["code", "text"], *zip(CODES, TEXTS, strict=True)])
    return path


def said(texts: list[str] = TEXTS) -> np.ndarray:
    """By the classifier, each text alone."""
    model, tokenizer = tiny_texts.model(seed=3).eval(), tiny_texts.tokenizer()
    with torch.no_grad():
        rows = [model(**tokenizer(text, return_tensors="pt")).logits[0] for text in texts]
    return torch.stack(rows).softmax(-1).numpy()


def read(path: Path) -> pd.DataFrame:
    """As a person reads it, all but numbers as it stands there."""
    if path.suffix == ".parquet":
        return pd.read_parquet(path)
    if ".jsonl" in path.name:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        return pd.DataFrame(map(json.loads, content.decode().splitlines()))
    separator = "\t" if ".tsv" in path.name else ","
    return pd.read_csv(path, sep=separator, dtype={"code": str, "predicted_label": str}, keep_default_na=False)


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".parquet", ".csv.gz", ".jsonl.gz"])
def test_the_file_holds_what_the_classifier_says(
    suffix: str, teacher: Path, many: Path, tmp_path: Path, command_line: CommandLine
) -> None:
    out = tmp_path / f"out{suffix}"
    ended = command_line("pseudo-label", teacher, many, "-o", out)
    assert ended.code == 0, ended.err
    assert f"{out}: 10 rows of 10" in ended.out
    assert ended.err.splitlines()[-1].startswith("next: textssl train LABELED.csv")
    frame = read(out)
    assert [*frame.columns] == ["code", "text", "label", "confidence", *(f"probability_{name}" for name in NAMES)]
    assert frame["code"].tolist() == CODES
    assert frame["text"].tolist() == TEXTS
    expected = said()
    assert frame["label"].tolist() == [NAMES[i] for i in expected.argmax(1)]
    np.testing.assert_allclose(frame["confidence"].to_numpy(float), expected.max(1), atol=1e-5)
    stored = frame[[f"probability_{name}" for name in NAMES]].to_numpy(float)
    np.testing.assert_allclose(stored, expected, atol=1e-5)
    # Nothing else is left beside it.
    assert {path.name for path in tmp_path.iterdir()} == {many.name, out.name}


def test_a_student_learns_from_the_file_by_the_names_of_classes(
    teacher: Path, many: Path, tmp_path: Path, command_line: CommandLine, caplog: pytest.LogCaptureFixture
) -> None:
    out = tmp_path / "out.csv"
    assert command_line("pseudo-label", teacher, many, "--output", out).code == 0
    student = tiny_texts.model()
    names = sorted(NAMES)
    student.config.id2label, student.config.label2id = dict(enumerate(names)), {n: i for i, n in enumerate(names)}
    config = DistillationConfig(
        output_dir=str(tmp_path / "student"), max_steps=2, use_cpu=True, report_to=[], max_length=16
    )
    trainer = DistillationTrainer(
        student,
        config,
        tiny_texts.labeled(),
        load_table(out, label_column=None),
        processing_class=tiny_texts.tokenizer(),
    )
    order = [NAMES.index(name) for name in names]
    stored = np.array(trainer.train_dataset.unlabeled["probabilities"][:])
    np.testing.assert_allclose(stored, said()[:, order], atol=1e-5)
    assert trainer.train().global_step == 2
    # As labeled data it is read too, and a person is told what its labels are.
    labeled = load_table(out)
    assert [labeled.features["label"].names[i] for i in labeled["label"]] == [NAMES[i] for i in said().argmax(1)]
    assert "the labels are a classifier's, which nobody checked" in caplog.text


def test_the_column_of_texts_is_found(teacher: Path, tmp_path: Path, command_line: CommandLine) -> None:
    (tmp_path / "many.tsv").write_text("code\treview\n" + "".join(f"{i}\t{t}\n" for i, t in enumerate(TEXTS)))
    ended = command_line("pseudo-label", tmp_path / "many.tsv", tmp_path / "many.tsv", "-o", tmp_path / "out.csv")
    assert "teacher: got" in ended.error
    ended = command_line("pseudo-label", teacher, tmp_path / "many.tsv", "-o", tmp_path / "out.csv")
    assert "'review' is taken as the column of texts" in ended.err
    assert read(tmp_path / "out.csv")["label"].tolist() == [NAMES[i] for i in said().argmax(1)]


def test_rows_without_a_text_are_left_out_and_counted(
    teacher: Path, tmp_path: Path, command_line: CommandLine
) -> None:
    given = Dataset.from_dict({"text": [TEXTS[0], None, "  ", "", TEXTS[1]], "n": [0, 1, 2, 3, 4]})
    given.to_parquet(tmp_path / "given.parquet")
    ended = command_line("pseudo-label", teacher, tmp_path / "given.parquet", "-o", tmp_path / "out.parquet", "--json")
    assert {name: ended.json[name] for name in ("rows", "without_text", "kept")} == {
        "rows": 5,
        "without_text": 3,
        "kept": 2,
    }
    assert read(tmp_path / "out.parquet")["n"].tolist() == [0, 4]


def test_labels_that_are_there_stay(teacher: Path, tmp_path: Path, command_line: CommandLine) -> None:
    (tmp_path / "given.jsonl").write_text("".join(json.dumps({"text": t, "label": "mine"}) + "\n" for t in TEXTS[:3]))
    ended = command_line(
        "pseudo-label", teacher, tmp_path / "given.jsonl", "-o", tmp_path / "out.jsonl", "--no-probabilities"
    )
    assert "has a column 'label'; the new one is 'predicted_label'" in ended.err
    frame = read(tmp_path / "out.jsonl")
    assert [*frame.columns] == ["text", "label", "predicted_label", "confidence"]
    assert frame["label"].tolist() == ["mine"] * 3
    assert frame["predicted_label"].tolist() == [NAMES[i] for i in said(TEXTS[:3]).argmax(1)]


def test_a_choice_of_rows_is_by_confidence_and_labels_nothing_anew(
    teacher: Path, many: Path, tmp_path: Path, command_line: CommandLine
) -> None:
    parts, out = tmp_path / "kept", tmp_path / "out.csv"
    words = ["pseudo-label", teacher, many, "-o", out, "--parts", parts, "--shard_rows", "4"]
    assert command_line(*words).code == 0
    made = {path.name: path.stat().st_mtime_ns for path in parts.glob("*.arrow")}
    assert len(made) == 3
    assert command_line(*words, "--total", "2", "--overwrite").code == 0
    assert {path.name: path.stat().st_mtime_ns for path in parts.glob("*.arrow")} == made
    best = sorted(np.argsort(-said().max(1), kind="stable")[:2].tolist())
    assert read(out)["code"].tolist() == [CODES[i] for i in best]


def test_a_killed_job_goes_on_and_gives_the_same_file(
    teacher: Path, many: Path, tmp_path: Path, command_line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, cut = tmp_path / "whole.csv", tmp_path / "cut.csv"
    words = ["pseudo-label", teacher, many, "--shard-rows", "3", "-o"]
    assert command_line(*words, whole).code == 0
    calls: list[int] = []
    compute = pseudo_labels.ScoreJob.__call__

    def killed(job: pseudo_labels.ScoreJob, rows: dict[str, list[str]]) -> dict[str, np.ndarray]:
        calls.append(len(rows["text"]))
        if len(calls) == 3:
            raise KeyboardInterrupt
        return compute(job, rows)

    monkeypatch.setattr(pseudo_labels.ScoreJob, "__call__", killed)
    assert command_line(*words, cut).code == 130
    assert not cut.exists()
    ended = command_line(*words, cut)
    assert f"going on with {cut}.parts" in ended.err
    # Two of four parts were there.
    assert calls == [3, 3, 3, 3, 1]
    assert cut.read_bytes() == whole.read_bytes()
    assert not Path(f"{cut}.parts").exists()


def test_two_processes_share_the_work_and_write_the_file_of_one(
    teacher: Path, many: Path, tmp_path: Path, two_processes: TwoProcesses
) -> None:
    assert two_processes.run(label_file, teacher=teacher, given=many, out=tmp_path / "two.csv") == [10, None]
    assert label_file(str(teacher), str(many), str(tmp_path / "one.csv")) == 10
    # Processes with other numbers of threads may round the last digit otherwise.
    pd.testing.assert_frame_equal(read(tmp_path / "two.csv"), read(tmp_path / "one.csv"), rtol=1e-5)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--threshold", "2"], "threshold: got 2.0"),
        (["--threshold", "1.0"], "threshold: got 1.0, which keeps nothing; the highest confidence is"),
        (["--balance", "even"], "balance: got 'even'; allowed"),
        (["--balance", "labeled"], "balance: got 'labeled', which needs labeled examples"),
        (["--balance", "0.5,0.5"], "balance: got 2 shares; expected 3"),
        (["--text_column", "review"], "no column 'review' (text_column); its columns are ['code', 'text']"),
        (["--engine", "spark"], "engine: got 'spark'; allowed: local, ray"),
        (["--batch-size", "0"], "batch_size: got 0; expected at least 1"),
        (["-o", "out.xlsx"], "output: got 'out.xlsx'; expected a file that ends in .csv, .tsv, .jsonl, .parquet"),
        (["-o", "nowhere/out.csv"], "output: no folder 'nowhere'"),
        (["-o", "many.csv"], "output: got 'many.csv', which is the input"),
        (["--treshold", "0.5"], "No such option: --treshold; did you mean --threshold?"),
    ],
)
def test_a_mistake_is_one_line(
    flags: list[str],
    message: str,
    teacher: Path,
    many: Path,
    tmp_path: Path,
    command_line: CommandLine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert message in command_line("pseudo-label", teacher, "many.csv", "-o", "out.csv", *flags).error
    assert not (tmp_path / "out.csv").exists()


def test_files_that_cannot_work(teacher: Path, many: Path, tmp_path: Path, command_line: CommandLine) -> None:
    out = tmp_path / "out.csv"
    assert "teacher: no folder" in command_line("pseudo-label", tmp_path / "no", many, "-o", out).error
    assert "no such file" in command_line("pseudo-label", teacher, tmp_path / "no.csv", "-o", out).error
    (tmp_path / "blank.csv").write_text('text\n""\n')
    assert (
        "has no text in any of its 1 rows"
        in command_line("pseudo-label", teacher, tmp_path / "blank.csv", "-o", out).error
    )
    (tmp_path / "numbers.jsonl").write_text('{"text": 1}\n')
    assert (
        "holds int64, not strings"
        in command_line("pseudo-label", teacher, tmp_path / "numbers.jsonl", "-o", out).error
    )
    assert command_line("pseudo-label", teacher, many, "-o", out).code == 0
    assert "exists; give another file, or overwrite" in command_line("pseudo-label", teacher, many, "-o", out).error
    again = command_line("pseudo-label", teacher, out, "-o", tmp_path / "again.csv").error
    assert "the data already have a column 'probability_a'; rename or remove it" in again

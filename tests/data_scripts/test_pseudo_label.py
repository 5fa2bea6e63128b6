"""pseudo_label.py: its data set holds what the classifier says, and a trainer takes it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from datasets import Dataset

from data_scripts import pseudo_label as script
from tests.contract import tiny_texts
from textssl import DistillationConfig, DistillationTrainer


TEXTS = tiny_texts.unlabeled(10)["text"][:]


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("teacher")
    model = tiny_texts.model(seed=3)
    model.config.id2label, model.config.label2id = {0: "a", 1: "b", 2: "c"}, {"a": 0, "b": 1, "c": 2}
    model.save_pretrained(folder)
    tiny_texts.tokenizer().save_pretrained(folder)
    return folder


@pytest.fixture
def many(tmp_path: Path) -> Path:
    path = tmp_path / "many.jsonl"
    path.write_text("".join(json.dumps({"text": text, "n": i}) + "\n" for i, text in enumerate(TEXTS)))
    return path


def said() -> np.ndarray:
    model, tokenizer = tiny_texts.model(seed=3).eval(), tiny_texts.tokenizer()
    with torch.no_grad():
        rows = [model(**tokenizer(text, return_tensors="pt")).logits[0] for text in TEXTS]
    return torch.stack(rows).softmax(-1).numpy()


def test_rows_hold_what_the_classifier_says(teacher: Path, many: Path, tmp_path: Path, capsys) -> None:
    out = tmp_path / "out"
    flags = ["--teacher", str(teacher), "--input", str(many), "--output", str(out)]
    assert script.main([*flags, "--shard_rows", "4"]) == 0
    kept = Dataset.from_parquet(str(out / script.OUTPUT), cache_dir=str(tmp_path / "cache"))
    np.testing.assert_allclose(np.array(kept["probs"][:]), said(), atol=1e-5)
    assert kept["text"][:] == TEXTS
    assert kept["n"][:] == list(range(10))
    assert kept["pseudo_label"][:] == said().argmax(1).tolist()
    assert kept.features["pseudo_label"].names == ["a", "b", "c"]
    assert "10 rows of 10" in capsys.readouterr().out
    # Another choice of rows labels nothing anew.
    shards = {path.name: path.stat().st_mtime_ns for path in (out / "probs").glob("*.arrow")}
    assert script.main([*flags, "--shard_rows", "4", "--total", "2"]) == 0
    assert {path.name: path.stat().st_mtime_ns for path in (out / "probs").glob("*.arrow")} == shards
    best = Dataset.from_parquet(str(out / script.OUTPUT), cache_dir=str(tmp_path / "cache"))
    assert best["n"][:] == sorted(np.argsort(-said().max(1), kind="stable")[:2].tolist())
    config = DistillationConfig(
        output_dir=str(tmp_path / "student"), max_steps=2, use_cpu=True, report_to=[], max_length=16
    )
    student = DistillationTrainer(
        tiny_texts.model(), config, tiny_texts.labeled(), kept, processing_class=tiny_texts.tokenizer()
    )
    assert student.train().global_step == 2


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--teacher", "nothing"], "teacher: 'nothing' is not a folder with a model"),
        (["--threshold", "2"], "threshold: got 2.0"),
        (["--threshold", "1.0"], "threshold: got 1.0, which keeps nothing; the highest confidence is"),
        (["--balance", "even"], "balance: got 'even'; allowed"),
        (["--balance", "labeled"], "balance: got 'labeled', which needs labeled examples"),
        (["--balance", "0.5,0.5"], "balance: got 2 shares; expected 3"),
        (["--text_column", "n"], "'n'"),
    ],
)
def test_mistakes_are_one_line(
    flags: list[str], message: str, teacher: Path, many: Path, tmp_path: Path, capsys
) -> None:
    whole = ["--teacher", str(teacher), "--input", str(many), "--output", str(tmp_path / "out"), *flags]
    assert script.main(whole) == 2
    told = capsys.readouterr().err.strip().splitlines()[-1]
    assert told.startswith("pseudo_label: error: ")
    assert message in told

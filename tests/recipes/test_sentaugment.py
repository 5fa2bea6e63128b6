"""`recipes/sentaugment_imdb.py`: teacher, bank, retrieval, control and student, on own files; resumed and refused."""

from __future__ import annotations

import json
import runpy
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.contract.cases import texts
from tests.recipes.tiny_task import ROOT, TinyTask, error_line, tree
from textssl.cli.program import run_program


SHORT: dict[str, Any] = {
    "strong": None,
    "teacher_decay": None,
    "distribution_alignment": None,
    "threshold": None,
    "bank_sources": "none",
    "baseline_steps": 60,
    "baseline_learning_rate": 5e-3,
    "warm_start_steps": 0,
    "max_steps": 4,
    "save_steps": 2,
    "num_neighbors": 20,
    "encoder_length": 16,
}
Call = Callable[..., int]


@pytest.fixture
def augment(task: TinyTask, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Call:
    """Run the recipe in this process; returns the exit code."""
    main = runpy.run_path(str(ROOT / "recipes" / "sentaugment_imdb.py"))["main"]
    monkeypatch.chdir(tmp_path)

    def program(out: str, more: Sequence[str] = (), **changes: Any) -> int:
        flags = task.flags(out, *more, **{"encoder": task.folder / "model", **SHORT, **changes})
        monkeypatch.setattr(sys, "argv", ["sentaugment_imdb.py", *flags])
        with pytest.raises(SystemExit) as end:
            run_program(main)
        return int(end.value.code or 0)

    return program


def test_the_whole_road(augment: Call, capsys: pytest.CaptureFixture[str]) -> None:
    assert augment("out") == 0
    told = "".join(capsys.readouterr())
    # Shorter ones are left out.
    many = {text for text in texts(60, 2)[0] if len(text) >= 10}
    assert f"bank: {len(many)} sentences" in told
    for row in ("supervised", "random", "sentaugment"):
        assert row in told
    results = json.loads(Path("out/results.json").read_text())
    assert set(results) == {"supervised", "random", "sentaugment"}
    found = pq.read_table("out/retrieved/sentaugment/retrieved.parquet")
    assert set(found["text"].to_pylist()) <= many
    assert found.num_rows > 0
    # Each class as often as among the labeled examples, which are even.
    counts = {label: found["label"].to_pylist().count(label) for label in set(found["label"].to_pylist())}
    assert len(set(counts.values())) == 1
    facts = json.loads(Path("out/retrieved/sentaugment/provenance.json").read_text())
    assert facts["config"]["queries"] == "label_average"
    assert json.loads(Path("out/retrieved/random/provenance.json").read_text())["config"]["queries"] == "random"
    # A finished run is not done again.
    before = {path: time for path, time in tree(Path("out")).items() if path.endswith((".arrow", ".safetensors"))}
    assert augment("out", ["--resume_from_checkpoint"]) == 0
    after = tree(Path("out"))
    assert all(after[path] == time for path, time in before.items())


def test_few_shot_learns_labels_too(augment: Call) -> None:
    assert augment("out", variant="few_shot", control=False) == 0
    results = json.loads(Path("out/results.json").read_text())
    assert set(results) == {"supervised", "sentaugment"}
    logged = [row for row in results["sentaugment"]["history"] if "ssl/supervised" in row]
    assert logged[0]["ssl/supervised"] > 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"variant": "hard"}, "variant: got 'hard'; allowed: soft, few_shot"),
        ({"bank_sources": "weather"}, "bank_sources: got 'weather'; allowed: "),
        ({"queries": "mean"}, "queries: got 'mean'; allowed: label_average"),
        ({"bank": "nowhere"}, "nowhere"),
        ({"min_confidence": 1.5}, "threshold: got 1.5"),
    ],
)
def test_mistakes_are_told_before_training(
    augment: Call, changes: dict[str, Any], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert augment("out", **changes) == 2
    assert message in error_line(capsys.readouterr().err)
    assert not Path("out/supervised").exists()

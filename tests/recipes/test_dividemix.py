"""`recipes/dividemix_noisy_imdb.py`: wrong labels, two networks, and what they found of each label."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from tests.contract.cases import model, tokenizer
from tests.recipes.tiny_pictures import main_of, ran
from tests.recipes.tiny_task import TinyTask
from textssl.cli.options import RecipeOptions
from textssl.methods import METHODS


needs_method = pytest.mark.skipif(
    "dividemix" not in METHODS, reason="textssl/methods/dividemix/__init__.py does not exist"
)
# One step of the warm-up, and more than one epoch of 12 examples.
SHORT = {"max_length": 16, "warm_start_steps": 1, "max_steps": 4}


def own(task: TinyTask) -> dict[str, Any]:
    names = {"train_file": "few.csv", "unlabeled_file": "many.jsonl", "test_file": "held_out.csv", "model": "model"}
    return {flag: task.folder / name for flag, name in names.items()} | SHORT


def test_its_presets_are_of_wrong_labels() -> None:
    for preset in main_of("dividemix_noisy_imdb.py").__globals__["PRESETS"].values():
        assert RecipeOptions(noise=preset["noise"], num_labeled=preset["num_labeled"]).noise_kind == "symmetric"
        assert (preset["noise"], preset["num_labeled"] >= 8000) == (0.4, True)


@needs_method
@pytest.mark.parametrize("noise", [0.25, 0.0])
def test_each_label_of_own_texts_is_judged(noise: float, task: TinyTask, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = ran("dividemix_noisy_imdb.py", out, noise=noise, **own(task))
    results = json.loads((out / "results.json").read_text())
    assert list(results) == ["probe", "supervised", "dividemix"]
    table: dict[str, Any] = pq.read_table(out / "label_quality.parquet").to_pydict()
    assert table["index"] == list(range(12))
    probability = np.array(table["clean_probability"])
    assert ((probability >= 0) & (probability <= 1)).all()
    assert results["dividemix"]["clean_share"] == pytest.approx((probability > 0.5).mean())
    assert ("true_label" in table) is bool(noise)
    assert (results["dividemix"]["clean_auc"] is not None) is bool(noise)
    assert ("25 % of them wrongly" in done.printed) is bool(noise)
    assert f"({out / 'label_quality.parquet'})" in done.stdout


@needs_method
def test_labels_by_keywords(tmp_path: Path) -> None:
    # The base alone: the head of the tiny task's has three classes.
    model().bert.save_pretrained(tmp_path / "model")
    tokenizer().save_pretrained(tmp_path / "model")
    settings = {"source": "embedded", "noise_kind": "keywords", "noise": 0, "labels": 20, "num_validation": 20}
    settings |= {"num_test": 20, "num_unlabeled": 20, "model": tmp_path / "model", "baseline": False, **SHORT}
    done = ran("dividemix_noisy_imdb.py", tmp_path / "out", **settings)
    assert "of them wrongly (keywords)" in done.printed
    assert "true_label" in pq.read_table(tmp_path / "out" / "label_quality.parquet").column_names

"""What is written and told of a trainer that judges its labels."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import datasets
import numpy as np
import pyarrow.parquet as pq
import pytest
from datasets import ClassLabel, Features, Value

from tests.recipes.tiny_pictures import Ran, ran
from tests.recipes.tiny_task import TinyTask, make_task
from textssl.cli.data.task_data import TaskData
from textssl.cli.run.label_quality import QUALITY_FILE, LabelJudge, quality_line, write_label_quality
from textssl.data.two_stream import TwoStreamDataset
from textssl.hub import DataFacts, SplitFacts
from textssl.methods import METHODS
from textssl.methods.supervised import SupervisedTrainer


NAMES = ("bad", "good")
PROBABILITY = np.array([0.9, 0.2, 0.6, 0.5], np.float32)


class Judge:
    """As much of a trainer as is asked."""

    def __init__(self, labeled: datasets.Dataset, main: bool = True) -> None:
        self.train_dataset = TwoStreamDataset(labeled, None)
        self.is_world_process_zero = lambda: main

    def clean_probability(self) -> np.ndarray:
        return PROBABILITY


def rows(truth: list[int] | None = None, names: tuple[str, ...] = NAMES) -> datasets.Dataset:
    columns: dict[str, Any] = {"review": ["a", "b", "c", "d"], "stars": [0, 1, 1, 0]}
    kinds: dict[str, Any] = {"review": Value("string"), "stars": ClassLabel(names=list(NAMES))}
    if truth is not None:
        columns["true_label"], kinds["true_label"] = truth, ClassLabel(names=list(names))
    return datasets.Dataset.from_dict(columns, features=Features(kinds))


def task(labeled: datasets.Dataset) -> TaskData:
    facts: dict[str, Any] = {"data_facts": DataFacts(name="toys"), "split_facts": SplitFacts()}
    parts = {"labeled": labeled, "unlabeled": labeled, "validation": None, "test": labeled}
    return TaskData(modality="text", column="review", **parts, label_names=NAMES, **facts, split=None)


def written(trainer: Any, data: TaskData, folder: Path) -> dict[str, Any]:
    return write_label_quality(trainer, data, "stars", folder)


def test_the_file_has_a_row_for_each_example(tmp_path: Path) -> None:
    labeled = rows([0, 0, 1, 0])
    result = written(Judge(labeled), task(labeled), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [QUALITY_FILE]
    assert pq.read_table(tmp_path / QUALITY_FILE).to_pydict() == {
        "index": [0, 1, 2, 3],
        "text": ["a", "b", "c", "d"],
        "label": [0, 1, 1, 0],
        "clean_probability": PROBABILITY.tolist(),
        "true_label": [0, 0, 1, 0],
    }
    again = datasets.Dataset.from_parquet(str(tmp_path / QUALITY_FILE), cache_dir=str(tmp_path / "cache"))
    assert again.features["label"].names == again.features["true_label"].names == list(NAMES)
    # The one wrong label has the lowest probability; exactly one half is not taken as clean.
    assert result == {"clean_share": 0.5, "clean_auc": 1.0}
    told = f"labels: 50.0 % taken as clean; AUC against the truth 1.00 ({tmp_path / QUALITY_FILE})"
    assert quality_line(result, tmp_path) == told


def test_the_area_by_hand(tmp_path: Path) -> None:
    """Right are the rows of 0.9 and 0.2, wrong those of 0.6 and 0.5: two pairs of four are in order."""
    labeled = rows([0, 1, 0, 1])
    assert written(Judge(labeled), task(labeled), tmp_path)["clean_auc"] == 0.5


@pytest.mark.parametrize("truth", [[0, 1, 1, 0], [1, 0, 0, 1], None])
def test_no_area_without_right_and_wrong_labels(truth: list[int] | None, tmp_path: Path) -> None:
    labeled = rows(truth)
    result = written(Judge(labeled), task(labeled), tmp_path)
    assert result == {"clean_share": 0.5, "clean_auc": None}
    assert ("true_label" in pq.read_table(tmp_path / QUALITY_FILE).column_names) is (truth is not None)
    assert quality_line(result, tmp_path) == f"labels: 50.0 % taken as clean ({tmp_path / QUALITY_FILE})"


def test_a_column_of_other_classes_is_no_truth(tmp_path: Path) -> None:
    labeled = rows([0, 0, 1, 0], names=("fair", "good"))
    assert written(Judge(labeled), task(labeled), tmp_path)["clean_auc"] is None


def test_names_decide_where_the_truth_has_its_classes_in_another_order(tmp_path: Path) -> None:
    """The truth of :func:`test_the_file_has_a_row_for_each_example`, by other numbers."""
    labeled = rows([1, 1, 0, 1], names=NAMES[::-1])
    assert written(Judge(labeled), task(labeled), tmp_path)["clean_auc"] == 1.0
    table = pq.read_table(tmp_path / QUALITY_FILE).to_pydict()
    assert table["true_label"] == [0, 0, 1, 0]


@pytest.mark.parametrize("gone", [{"modality": "image"}, {"column": "image"}])
def test_without_texts_there_is_no_column_of_them(gone: dict[str, str], tmp_path: Path) -> None:
    labeled = rows()
    written(Judge(labeled), replace(task(labeled), **gone), tmp_path)
    assert pq.read_table(tmp_path / QUALITY_FILE).column_names == ["index", "label", "clean_probability"]


def test_the_rows_are_those_that_were_trained_on(tmp_path: Path) -> None:
    """A trainer may leave out rows of the task, such as images that cannot be read."""
    labeled = rows([0, 0, 1, 0])
    more = datasets.concatenate_datasets([rows([1, 1, 1, 1]), labeled])
    written(Judge(labeled), task(more), tmp_path)
    assert len(pq.read_table(tmp_path / QUALITY_FILE)) == 4


def test_one_process_writes_and_all_have_the_figures(tmp_path: Path) -> None:
    labeled = rows([0, 0, 1, 0])
    assert written(Judge(labeled, main=False), task(labeled), tmp_path) == {"clean_share": 0.5, "clean_auc": 1.0}
    assert list(tmp_path.iterdir()) == []


def test_another_trainer_judges_nothing(tmp_path: Path) -> None:
    assert written(SimpleNamespace(), task(rows()), tmp_path) == {}
    assert list(tmp_path.iterdir()) == []
    assert quality_line({"accuracy": 0.5}, tmp_path) is None
    assert not isinstance(SupervisedTrainer, LabelJudge)


# A whole recipe, with a method that judges


@pytest.fixture
def judging(monkeypatch: pytest.MonkeyPatch) -> None:
    """A judge that knows, but for one row, which labels are wrong."""

    class JudgingTrainer(SupervisedTrainer):
        # Of its own: that a class has the method is remembered, as long as the process lives, where it was asked once.
        def clean_probability(self) -> np.ndarray:
            labeled = self.train_dataset.labeled
            truth = labeled["true_label" if "true_label" in labeled.column_names else "label"][:]
            clean = np.equal(labeled["label"][:], truth).astype(np.float32)
            return np.where(np.arange(len(clean)) == 0, 1 - clean, clean)

    monkeypatch.setitem(METHODS, "supervised", JudgingTrainer)


def check_run(out: Path, done: Ran, wrong: int, total: int) -> dict[str, Any]:
    result = json.loads((out / "results.json").read_text())["supervised"]
    table: dict[str, Any] = pq.read_table(out / QUALITY_FILE).to_pydict()
    differing = np.not_equal(table["label"], table["true_label"])
    assert (differing.sum(), len(differing)) == (wrong, total)
    right = total - wrong
    # The misjudged row 0 is level with every row of the other kind; all other pairs are in order.
    assert result["clean_auc"] == pytest.approx(1 - 0.5 / (wrong if differing[0] else right))
    assert result["clean_share"] == pytest.approx((right + (1 if differing[0] else -1)) / total)
    line = (
        f"labels: {100 * result['clean_share']:.1f} % taken as clean; AUC against the truth {result['clean_auc']:.2f}"
    )
    assert f"\n{line} ({out / QUALITY_FILE})\n" in done.stdout
    card = (out / "supervised" / "README.md").read_text()
    assert f"- Labels that are wrong on purpose: {wrong}\n" in card
    return table


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> TinyTask:
    return make_task(tmp_path_factory.mktemp("task"))


@pytest.mark.slow
def test_a_run_on_own_texts(judging: None, own: TinyTask, tmp_path: Path) -> None:
    names = {"train_file": "few.csv", "unlabeled_file": "many.jsonl", "test_file": "held_out.csv", "model": "model"}
    files = {flag: own.folder / name for flag, name in names.items()}
    settings = {**files, "method": "supervised", "max_length": 16, "noise": 0.25}
    done = ran("train.py", tmp_path / "out", **settings)
    assert "12 labeled, 25 % of them wrongly (symmetric), 60 unlabeled" in done.printed
    table = check_run(tmp_path / "out", done, 3, 12)
    assert list(table) == ["index", "text", "label", "clean_probability", "true_label"]
    again = ran("train.py", tmp_path / "out", **settings, resume_from_checkpoint=True)
    assert "taken as clean; AUC" in again.stdout


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["auto", "features"])
def test_a_run_on_images(backend: str, judging: None, tmp_path: Path) -> None:
    settings = {"source": "digits", "labels": 40, "num_test": 40, "noise": 0.3, "noise_kind": "asymmetric"}
    done = ran("train.py", tmp_path / "out", method="supervised", backend=backend, **settings)
    table = check_run(tmp_path / "out", done, 12, 40)
    assert list(table) == ["index", "label", "clean_probability", "true_label"]


@pytest.mark.slow
@pytest.mark.parametrize("method", ["mixmatch", "self_training", "label_propagation"])
def test_other_methods_do_not_mind_the_column(method: str, tmp_path: Path) -> None:
    settings = {"source": "digits", "labels": 40, "num_test": 40, "noise": 0.3, "baseline": False}
    done = ran("train.py", tmp_path / "out", method=method, backend="features", **settings)
    assert "taken as clean" not in done.stdout
    assert not (tmp_path / "out" / QUALITY_FILE).exists()

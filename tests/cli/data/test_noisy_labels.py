"""Wrong labels on request: of the labeled examples alone, with the truth kept, and told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
from datasets import ClassLabel

from tests.recipes.tiny_task import write_csv, write_jsonl
from textssl import SSLConfig, UserError
from textssl.cli.data.loading import load_task
from textssl.cli.data.noisy_labels import TRUE_LABEL, noisy_labels, wrong_labels
from textssl.cli.data.task_data import TaskData
from textssl.cli.options import RecipeOptions
from textssl.sources.noise import SENTIMENT_RULES, flip_labels, keyword_labels


Load = Callable[..., TaskData]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    def task(seed: int = 3, data_seed: int | None = None, **options: Any) -> TaskData:
        config = SSLConfig(output_dir=str(tmp_path / "out"), seed=seed, data_seed=data_seed, eval_strategy="no")
        return load_task(RecipeOptions(**options), config)

    return task


def digits(**more: Any) -> dict[str, Any]:
    return {"source": "digits", "num_labeled": 100, "num_validation": 50, "num_test": 40, **more}


def other_labels(task: TaskData) -> list[Any]:
    parts = [task.unlabeled, task.validation, task.test]
    return [np.asarray(part["label"][:]) if part is not None and "label" in part.features else None for part in parts]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["symmetric", "asymmetric"])
def test_only_labels_of_the_labeled_examples_are_wrong(kind: str, load: Load) -> None:
    clean, noisy = load(**digits()), load(**digits(noise=0.4, noise_kind=kind))
    truth = np.asarray(clean.labeled["label"][:])
    assert np.array_equal(noisy.labeled[TRUE_LABEL][:], truth)
    assert np.array_equal(noisy.labeled["label"][:], flip_labels(truth, 0.4, 10, 3, kind))
    assert noisy.labeled.column_names == [*clean.labeled.column_names, TRUE_LABEL]
    assert noisy.labeled.features["label"] == noisy.labeled.features[TRUE_LABEL] == clean.labeled.features["label"]
    assert noisy.labeled[7]["image"] == clean.labeled[7]["image"]
    assert clean.split == noisy.split
    for before, after in zip(other_labels(clean), other_labels(noisy), strict=True):
        assert np.array_equal(before, after)
    config = SSLConfig(output_dir="out")
    assert clean.checksum(config) != noisy.checksum(config)


def test_it_is_told(load: Load) -> None:
    clean, noisy = load(**digits()), load(**digits(noise=0.4))
    assert clean.describe() == "digits (embedded): 100 labeled, 1,147 unlabeled, 40 held out"
    told = "digits (embedded): 100 labeled, 40 % of them wrongly (symmetric), 1,147 unlabeled, 40 held out"
    assert noisy.describe() == told
    assert (noisy.split_facts.noise, noisy.split_facts.wrong_labels) == ("symmetric", 40)
    assert replace(noisy.split_facts, noise=None, wrong_labels=None) == clean.split_facts


@pytest.mark.slow
def test_the_seed_of_the_data_draws_them(load: Load) -> None:
    one, same, other = (load(seed=s, data_seed=d, **digits(noise=0.4)) for s, d in ((1, 3), (2, 3), (1, 4)))
    assert one.labeled["label"][:] == same.labeled["label"][:]
    assert one.labeled["label"][:] != other.labeled["label"][:]


@pytest.mark.slow
def test_keywords_of_reviews(load: Load) -> None:
    task = load(source="imdb:embedded", noise_kind="keywords", num_labeled=200, num_validation=20, num_test=20)
    labels = keyword_labels(task.labeled["text"][:], SENTIMENT_RULES, 3)
    assert np.array_equal(task.labeled["label"][:], labels)
    assert np.bincount(task.labeled[TRUE_LABEL][:]).tolist() == [100, 100]
    wrong = wrong_labels(task.labeled, "label")
    assert wrong == np.count_nonzero(labels != np.array(task.labeled[TRUE_LABEL][:]))
    assert 0.15 < wrong / 200 < 0.45
    assert task.split_facts.noise == "keywords"
    assert f": 200 labeled, {wrong / 2:.3g} % of them wrongly (keywords), " in task.describe()


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    few = write_csv(tmp_path / "few.csv", [f"w{i}" for i in range(30)], [i % 3 for i in range(30)])
    many = write_jsonl(tmp_path / "many.jsonl", [{"text": "w1"}])
    return {"train_file": str(few), "unlabeled_file": str(many), "test_file": str(few)}


def test_own_files(files: dict[str, str], load: Load) -> None:
    task = load(**files, noise=0.3)
    assert wrong_labels(task.labeled, "label") == 9
    assert task.labeled[TRUE_LABEL][:] == task.test["label"][:]
    assert task.describe() == "few (own files): 30 labeled, 30 % of them wrongly (symmetric), 1 unlabeled, 30 held out"
    assert TRUE_LABEL not in load(**files).labeled.column_names


def test_a_column_in_the_way_is_named(files: dict[str, str], load: Load, tmp_path: Path) -> None:
    rows = [{"text": "a", "label": "x", TRUE_LABEL: 0}, {"text": "b", "label": "y", TRUE_LABEL: 1}] * 3
    files["train_file"] = files["test_file"] = str(write_jsonl(tmp_path / "own.jsonl", rows))
    assert load(**files).labeled.column_names == ["text", "label", TRUE_LABEL]
    with pytest.raises(UserError, match=r"noise: got 0\.3; the labeled data have a column 'true_label' already"):
        load(**files, noise=0.3)


def test_no_noise_leaves_the_data_as_they_are() -> None:
    features = datasets.Features({"text": datasets.Value("string"), "label": ClassLabel(names=["x", "y"])})
    labeled = datasets.Dataset.from_dict({"text": ["a", "b"], "label": [0, 1]}, features=features)
    assert noisy_labels(labeled, RecipeOptions(), "text", "label", ("x", "y"), 0) is labeled


def test_a_class_that_has_no_label_left_is_named(load: Load) -> None:
    """Ten labels of ten classes: to move one of them takes a class its only one."""
    with pytest.raises(UserError, match=r"noise: got 0\.5; of 10 labels none is '\d' any more; use more labels"):
        load(**digits(noise=0.5, num_labeled=10))


def test_keywords_are_for_reviews_alone(load: Load) -> None:
    with pytest.raises(UserError, match="noise_kind: got 'keywords'; its rules are for the source imdb, not for dig"):
        load(**digits(noise_kind="keywords"))

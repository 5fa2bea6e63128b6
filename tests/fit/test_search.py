"""A search with candidates that count what they do: cached, resumed, within the time, and what it chooses."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file
from transformers import PreTrainedModel

from textssl.errors import UserError
from textssl.fit.budget import Budget
from textssl.fit.candidates.base import Candidate, Trained
from textssl.fit.choose import choose
from textssl.fit.data import Examples, FitData
from textssl.fit.folds import make_folds
from textssl.fit.search import Search
from textssl.fit.store import ResultStore


CENTRES = np.random.default_rng(0).normal(size=(3, 8))
CALLS: list[str] = []


class Centroids(Trained):
    def __init__(self, centres: np.ndarray) -> None:
        self.centres = centres

    def logits(self, examples: Examples) -> np.ndarray:
        return np.asarray(examples.features, np.float64) @ self.centres.T - np.square(self.centres).sum(1) / 2

    def model(self) -> PreTrainedModel:
        raise NotImplementedError


class Nearest(Candidate):
    """The mean of each class, drawn away from it by noise."""

    def __init__(self, name: str, noise: float = 0.0, error: Exception | None = None, cost: float = 0.0) -> None:
        self.name, self.noise, self.error, self.cost = name, noise, error, cost

    def train(self, data: FitData, folder: Path, teacher: np.ndarray | None = None) -> Trained:
        CALLS.append(self.name)
        if self.error is not None:
            raise self.error
        if self.takes_teacher:
            assert teacher is not None
            np.testing.assert_allclose(teacher.sum(1), 1)
        means = np.stack([data.labeled.features[data.labels == c].mean(0) for c in range(data.num_labels)])
        return Centroids(means + self.noise * np.random.default_rng(data.seed).normal(size=means.shape))

    def save(self, trained: Trained, folder: Path) -> None:
        assert isinstance(trained, Centroids)
        np.save(folder / "centres.npy", trained.centres, allow_pickle=False)

    def load(self, data: FitData, folder: Path) -> Trained:
        return Centroids(np.load(folder / "centres.npy", allow_pickle=False))

    def seconds(self, data: FitData) -> float:
        return self.cost


class Base(Nearest):
    supervised = True


class Pupil(Nearest):
    takes_teacher = True


class Dear(Nearest):
    level = "balanced"


class DearPupil(Pupil):
    level = "balanced"


def examples(labels: np.ndarray, seed: int) -> Examples:
    noise = np.random.default_rng(seed).normal(size=(len(labels), 8))
    rows = datasets.Dataset.from_dict({"text": [f"text {seed} {i}" for i in range(len(labels))]})
    return Examples((CENTRES[labels] + noise).astype(np.float32), rows)


def data(each: int = 6, seed: int = 0, unlabeled: int = 12) -> FitData:
    labels = np.repeat(np.arange(3), each)
    none = np.empty((0, 8), np.float32)
    others = examples(np.arange(unlabeled) % 3, 5)
    return FitData(
        ("a", "b", "c"), labels, examples(labels, 1), others, "text", "text", "e", 16, none, np.empty(0, int), seed
    )


def search(folder: Path, *candidates: Candidate, given: FitData | None = None, **options: Any) -> Search:
    given = data() if given is None else given
    CALLS.clear()
    budget = options.pop("budget", Budget(None))
    return Search(given, make_folds(given.labels, 0), candidates, ResultStore(folder), budget, lambda line: None)


def test_a_second_search_repeats_nothing_and_gives_the_same(tmp_path: Path) -> None:
    candidates = Base("base"), Pupil("pupil")
    first = search(tmp_path, *candidates)
    first.run()
    trained, outputs = first.final("pupil")
    assert CALLS.count("base") == CALLS.count("pupil") == 11
    again = search(tmp_path, *candidates)
    again.run()
    same, others = again.final("pupil")
    assert not CALLS
    np.testing.assert_array_equal(first.scores["pupil"].logits, again.scores["pupil"].logits)
    np.testing.assert_array_equal(outputs.unlabeled, others.unlabeled)
    np.testing.assert_array_equal(trained.logits(data().labeled), same.logits(data().labeled))
    # Nothing that was written for a training alone stays.
    assert not list(tmp_path.glob("training-*"))


def test_a_killed_search_goes_on_and_a_broken_file_is_made_again(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        search(tmp_path, Base("base"), Nearest("other", error=KeyboardInterrupt())).run()  # type: ignore[arg-type]
    files = sorted(tmp_path.rglob("*.safetensors"))
    files[0].write_bytes(files[0].read_bytes()[:50])
    search(tmp_path, Base("base")).run()
    assert CALLS == ["base"]


@pytest.mark.parametrize("change", ["data", "settings", "seed"])
def test_a_change_makes_new_keys(tmp_path: Path, change: str) -> None:
    search(tmp_path, Base("base")).run()
    given = data(seed=1) if change == "seed" else data(unlabeled=11) if change == "data" else None
    search(tmp_path, Base("base", noise=0.1 if change == "settings" else 0.0), given=given).run()
    assert len(CALLS) == 10


def test_a_candidate_that_fails_is_told_of_and_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run = search(tmp_path, Base("base"), Nearest("broken", error=RuntimeError("no\nway")), Nearest("last"))
    results = run.run()
    assert results["broken"].skipped == "RuntimeError: no way"
    assert "broken: RuntimeError: no way" in caplog.text
    assert set(run.scores) == {"base", "last"}


def test_a_full_disk_is_one_line_and_loses_nothing(tmp_path: Path) -> None:
    full = OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(UserError, match=r"output_dir: the disk is full .* goes on from there"):
        search(tmp_path, Base("base"), Nearest("other", error=full)).run()
    search(tmp_path, Base("base")).run()
    assert not CALLS


def test_what_there_is_no_time_for_is_not_started(tmp_path: Path) -> None:
    run = search(tmp_path, Base("base"), Dear("dear", cost=100.0), budget=Budget(150.0))
    results = run.run()
    assert "dear" not in CALLS
    assert results["dear"].skipped.startswith("it would take about 300 s, and 1")
    fewer = search(tmp_path, Base("base"), Dear("dear", cost=30.0), budget=Budget(150.0))
    # Three folds and the training on all labels.
    assert len(fewer.run()["dear"].folds) == 3


def test_a_dear_candidate_runs_one_division_and_stops_when_it_is_far_behind(tmp_path: Path) -> None:
    run = search(tmp_path, Base("base"), Dear("dear", noise=-0.01), Dear("bad", noise=50.0), given=data(each=20))
    results = run.run()
    assert [fold.repetition for fold in results["dear"].folds] == [0] * 5
    assert len(results["bad"].folds) == 2
    assert "behind" in results["bad"].skipped


@pytest.mark.slow
def test_only_heads_and_teachers_say_something_of_unlabeled_examples_in_folds(tmp_path: Path) -> None:
    run = search(tmp_path, Base("base", noise=3.0), Dear("dear"), DearPupil("pupil"))
    results = run.run()
    assert {len(output.unlabeled) for output in results["base"].outputs} == {12}
    assert {len(output.unlabeled) for output in results["dear"].outputs} == {0}
    # The teacher of the pupil is trained on each fold again.
    assert results["pupil"].teacher == "dear"
    assert CALLS.count("dear") == 10
    assert len(run.final("dear")[1].unlabeled) == 12
    CALLS.clear()
    again = search(tmp_path, Base("base", noise=3.0), Dear("dear"), DearPupil("pupil"))
    again.run()
    assert not CALLS


def test_where_time_is_limited_a_head_is_the_teacher(tmp_path: Path) -> None:
    candidates = Base("base", noise=3.0), Dear("dear"), DearPupil("pupil")
    assert search(tmp_path, *candidates, budget=Budget(900.0)).run()["pupil"].teacher == "base"
    assert CALLS.count("dear") == 5


def test_time_is_kept_for_the_training_of_what_would_be_chosen(tmp_path: Path) -> None:
    candidates = Base("base", noise=3.0), Dear("good")
    search(tmp_path, *candidates).run()
    for file in tmp_path.rglob("good/*.safetensors"):
        # As if each training had taken a hundred seconds.
        with safe_open(file, framework="np") as stored:
            tensors = {name: stored.get_tensor(name) for name in ("held_out", "unlabeled")}
        save_file(tensors, file, {"seconds": "100.0", "candidate": "good"})
    # Without the final training of the good one there would be time for all folds.
    results = search(tmp_path, *candidates, Dear("late", cost=10.0), budget=Budget(150.0)).run()
    assert results["late"].skipped.startswith("it would take about 30 s")
    assert not CALLS


def test_the_better_one_is_chosen_and_the_worse_one_is_not(tmp_path: Path) -> None:
    run = search(tmp_path, Base("base", noise=3.0), Nearest("good"), given=data(each=20))
    run.run()
    assert dict(choose(run.scores, "base").weights) == {"good": 1.0}
    other = search(tmp_path, Base("base"), Nearest("worse", noise=3.0), given=data(each=20))
    other.run()
    assert dict(choose(other.scores, "base").weights) == {"base": 1.0}


def test_equals_do_not_replace_the_baseline(tmp_path: Path) -> None:
    run = search(tmp_path, Base("base"), Nearest("twin"))
    run.run()
    weights = choose(run.scores, "base").weights
    assert weights["base"] >= 0.5

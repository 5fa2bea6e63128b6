"""What published methods must give on two small tasks: means of five seeds, paired with supervised training.

The labels, the initial weights and the order of the data are the same in both columns of a pair.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.reference.problems import digits, moons, noisy_digits, veiled_moons


SEEDS = range(5)
TASKS: dict[str, Callable[..., float]] = {"moons": moons, "digits": digits}
# Task, method, settings; least accuracy and least gain over supervised training, in points.
GATES: list[tuple[str, str, dict[str, Any], float, float]] = [
    ("moons", "vat", {"epsilon": 0.35, "learning_rate": 2e-3}, 97.0, 8.0),
    ("moons", "fixmatch", {"threshold": 0.8}, 90.0, 2.0),
    ("digits", "pi_model", {}, 88.0, 0.5),
    ("digits", "uda", {}, 89.0, 1.0),
    ("digits", "vat", {"epsilon": 3.0}, 90.0, 0.5),
    ("digits", "mean_teacher", {"teacher_decay": 0.97}, 90.0, 1.0),
    ("digits", "mixmatch", {"mu": 2, "unlabeled_weight": 30.0, "ema_decay": 0.97}, 90.0, 1.0),
    (
        "digits",
        "label_propagation",
        {"warm_start_steps": 100, "max_steps": 250, "mu": 2, "num_neighbors": 10, "learning_rate": 2e-3},
        93.0,
        3.0,
    ),
]
# Feedback and its weight; least accuracy with it and least gain over none, in points.
FEEDBACK = [("sampled", 100.0, 78.0, 25.0), ("jvp", 300.0, 83.0, 25.0)]


@cache
def supervised(task: str, folder: Path) -> list[float]:
    return [100 * TASKS[task]("supervised", folder, seed) for seed in SEEDS]


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("reference")


@pytest.mark.parametrize(
    ("task", "method", "settings", "least", "gain"), GATES, ids=[f"{task}-{method}" for task, method, *_ in GATES]
)
def test_method_gains_on_unlabeled_data(
    task: str, method: str, settings: dict[str, Any], least: float, gain: float, folder: Path
) -> None:
    base = supervised(task, folder)
    reached = [100 * TASKS[task](method, folder, seed, **settings) for seed in SEEDS]
    gains = [a - b for a, b in zip(reached, base, strict=True)]
    told = f"{method} {reached}, supervised {base}"
    assert sum(reached) / len(reached) >= least, told
    assert sum(gains) / len(gains) >= gain, told


def test_a_teacher_that_learns_labels_better_than_the_student_itself(folder: Path) -> None:
    """Meta Pseudo Labels against training on labels alone, and on the student's own pseudo-labels."""
    settings = {"finetune_learning_rate": 1e-4, "max_steps": 500}
    reached = [100 * moons("meta_pseudo_labels", folder, seed, **settings) for seed in SEEDS]
    others = [supervised("moons", folder), [100 * moons("pseudo_label", folder, seed) for seed in SEEDS]]
    told = f"reached {reached}, supervised and pseudo_label {others}"
    assert sum(reached) / len(reached) >= 90, told
    for other in others:
        assert sum(reached) / len(reached) - sum(other) / len(other) >= 4, told


@pytest.mark.parametrize(("feedback", "weight", "least", "gain"), FEEDBACK, ids=[name for name, *_ in FEEDBACK])
def test_the_students_loss_tells_a_teacher_what_matters(
    feedback: str, weight: float, least: float, gain: float, folder: Path
) -> None:
    """What the teacher could not learn from labels alone it hears from the student: paired over seeds."""
    on, off = (
        [100 * veiled_moons(folder, seed, feedback=feedback, feedback_weight=w, max_steps=600) for seed in range(3)]
        for w in (weight, 0.0)
    )
    told = f"with feedback {on}, without {off}"
    assert sum(on) / len(on) >= least, told
    assert sum(a - b for a, b in zip(on, off, strict=True)) / len(on) >= gain, told


def test_two_networks_find_the_wrong_labels(folder: Path) -> None:
    """DivideMix where half of the labels are wrong, against training that learns them by heart."""
    plain, _ = noisy_digits("supervised", folder, 0)
    reached, auc = noisy_digits("dividemix", folder, 0, warm_start_epochs=6)
    told = f"dividemix {reached}, supervised {plain}, AUC {auc}"
    assert reached >= 0.96, told
    assert reached - plain >= 0.05, told
    assert auc is not None, told
    assert auc >= 0.98, told

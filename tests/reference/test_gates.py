"""What published methods must give on two small tasks: means of five seeds, paired with supervised training.

The labels, the initial weights and the order of the data are the same in both columns of a pair.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.reference.problems import digits, moons


SEEDS = range(5)
TASKS: dict[str, Callable[..., float]] = {"moons": moons, "digits": digits}
# Task, method, settings; least accuracy and least gain over supervised training, in points.
GATES: list[tuple[str, str, dict[str, Any], float, float]] = [
    ("moons", "vat", {"epsilon": 0.35, "learning_rate": 2e-3}, 97.0, 8.0),
    ("moons", "fixmatch", {"threshold": 0.8}, 90.0, 2.0),
    ("digits", "pi_model", {}, 88.0, 0.5),
    ("digits", "uda", {}, 89.0, 1.0),
    ("digits", "vat", {"epsilon": 3.0}, 90.0, 0.5),
    ("digits", "mean_teacher", {"ema_decay": 0.97}, 90.0, 1.0),
    ("digits", "mixmatch", {"mu": 2, "unlabeled_weight": 30.0, "ema_decay": 0.97}, 90.0, 1.0),
    (
        "digits",
        "label_propagation",
        {"warm_start_steps": 100, "max_steps": 250, "mu": 2, "k": 10, "learning_rate": 2e-3},
        93.0,
        3.0,
    ),
]


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

"""The rows of the table: how each predicts, what it costs, and where it applies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from textssl import __version__
from textssl.fit.candidates.base import LEVELS
from textssl.methods import METHODS

from . import baselines
from .data import Problem
from .fitted import fitted, from_names
from .recipes import recipe_settings, trained_by_recipe
from .setfit_row import setfit


__all__ = ["ALL_LABELS", "Row", "rows"]

# The row that is trained on the labels of all training examples.
ALL_LABELS = "all labels"
Predicted = tuple[np.ndarray, dict[str, Any]]


@dataclass(frozen=True)
class Row:
    """One way to a classifier.

    Attributes:
        name: in the table.
        cost: cells of lower cost are computed first.
        predict: given a problem and an empty folder, the probabilities [n, C] of the test examples and facts to keep.
        settings: all that decides the result besides the problem.
        modalities: of the tasks to which it applies.
        needs_labels: off for a row of zero labels a class, and of no other number.
    """

    name: str
    cost: int
    predict: Callable[[Problem, Path], Predicted]
    settings: Callable[[], dict[str, Any]]
    modalities: tuple[str, ...] = ("text", "image")
    needs_labels: bool = True


def rows(cache_dir: Path, setfit_python: str | None, revision: str) -> dict[str, Row]:
    """All rows by name.

    Args:
        cache_dir: of embeddings.
        setfit_python: an interpreter that has SetFit; without it there is no such row.
        revision: counts as a setting of ``fit``: another one is computed anew.
    """
    found = [_of_baseline(name, function) for name, function in BASELINES.items()]
    found += [_of_names(cache_dir, revision), *(_of_fit(level, cache_dir, revision) for level in LEVELS)]
    for backend, cost in (("features", 2), ("text", 5), ("image", 5)):
        found += [_of_method(backend, method, cost, cache_dir) for method in sorted(METHODS)]
    if setfit_python is not None:
        found.append(
            Row(
                "setfit",
                6,
                lambda problem, folder: setfit(problem, setfit_python, folder),
                lambda: {"setfit": "1.2.0, its defaults"},
                ("text",),
            )
        )
    return {row.name: row for row in found}


BASELINES: dict[str, Callable[[Problem], np.ndarray]] = {
    "probe": baselines.probe,
    ALL_LABELS: baselines.all_labels,
    "scikit-learn self-training": baselines.self_training,
    "self-training, no prior": partial(baselines.self_training_with_prior, prior="none"),
    "self-training, labeled prior": partial(baselines.self_training_with_prior, prior="labeled"),
    "self-training, sqrt prior": partial(baselines.self_training_with_prior, prior="sqrt"),
    "label spreading": baselines.label_spreading,
}


def _of_baseline(name: str, function: Callable[[Problem], np.ndarray]) -> Row:
    settings = {"C": baselines.C, "rounds": baselines.ROUNDS, "sure": baselines.SURE}
    return Row(name, 0, lambda problem, folder: (function(problem), {}), lambda: settings)


def _of_fit(level: str, cache_dir: Path, revision: str) -> Row:
    return Row(
        f"fit:{level}",
        {"fast": 1, "balanced": 7, "best": 8}[level],
        lambda problem, folder: fitted(problem, level, folder, cache_dir),
        lambda: {"level": level, "textssl": __version__, "revision": revision},
        ("text",),
    )


def _of_names(cache_dir: Path, revision: str) -> Row:
    return Row(
        "fit_from_names",
        1,
        lambda problem, folder: from_names(problem, folder, cache_dir),
        lambda: {"textssl": __version__, "revision": revision},
        ("text",),
        needs_labels=False,
    )


def _of_method(backend: str, method: str, cost: int, cache_dir: Path) -> Row:
    modalities = ("text", "image") if backend == "features" else (backend,)
    return Row(
        f"{backend}:{method}",
        cost,
        lambda problem, folder: (trained_by_recipe(problem, backend, method, folder, cache_dir), {}),
        lambda: recipe_settings(backend, method),
        modalities,
    )

"""Rows of ``fit_classifier``, one for each level, and of ``fit_from_names``, which needs no label."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset
from scipy.special import softmax

from textssl.fit import FitResult, fit_classifier, fit_from_names
from textssl.models.modeling_pooled_classifier import PooledTextClassifier

from .data import MAX_LENGTH, Problem, Task


__all__ = ["fitted", "from_names"]


def fitted(problem: Problem, level: str, folder: Path, cache_dir: Path) -> tuple[np.ndarray, dict[str, Any]]:
    """Probabilities [n, C] of the test examples, and what the library expected of its choice."""
    task = problem.task
    result = fit_classifier(
        _labeled(problem),
        task.train.select(problem.unlabeled).select_columns([task.column]).flatten_indices(),
        level=level,
        output_dir=folder,
        cache_dir=cache_dir,
        text_column=task.column,
        max_length=MAX_LENGTH,
        seed=problem.draw.seed,
        progress=False,
    )
    probs = np.zeros((len(task.test), problem.num_labels))
    probs[:, [task.label_names.index(name) for name in result.label_names]] = _predicted(result, task, level)
    told = result.to_dict()
    names = ("chosen", "expected_accuracy", "expected_macro_f1", "log_loss", "warnings", "seconds", "candidates")
    return probs, {name: told.get(name) for name in names}


def _labeled(problem: Problem) -> Dataset:
    """The labeled rows; where a class has no label, with names as labels, for such a class is not to be learned."""
    task = problem.task
    rows = task.train.select(problem.labeled).flatten_indices()
    if len(np.unique(problem.labels)) == problem.num_labels:
        return rows
    return rows.remove_columns("label").add_column("label", [task.label_names[c] for c in problem.labels])


def _predicted(result: FitResult, task: Task, level: str) -> np.ndarray:
    """Probabilities of the test examples; a linear head of the frozen encoder needs no second embedding of them."""
    model = result.model
    if level == "fast" and isinstance(model, PooledTextClassifier):
        head = model.head
        if not model.config.hidden_sizes and not model.config.standardize:
            weight, bias = (part.detach().double().numpy() for part in (head.weight, head.bias))
            probs: np.ndarray = softmax(task.test_features @ weight.T + bias, axis=1)
            return probs
    return result.predict_proba(task.test[task.column][:])


def from_names(problem: Problem, folder: Path, cache_dir: Path) -> tuple[np.ndarray, dict[str, Any]]:
    """Probabilities [n, C] of the test examples from class names and unlabeled texts, and how far they are trusted."""
    task = problem.task
    result = fit_from_names(
        task.train.select_columns([task.column]),
        task.label_names,
        output_dir=folder,
        cache_dir=cache_dir,
        text_column=task.column,
        max_length=MAX_LENGTH,
        seed=problem.draw.seed,
        progress=False,
    )
    told = {"expected_accuracy": result.expected_accuracy, "trust": result.trust, "warning": result.warning}
    return result.head.probs(task.test_features), told

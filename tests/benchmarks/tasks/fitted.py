"""Rows of ``fit_classifier``, one for each level."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

import textssl

from .data import MAX_LENGTH, Problem


__all__ = ["fitted"]


def fitted(problem: Problem, level: str, folder: Path, cache_dir: Path) -> tuple[np.ndarray, dict[str, Any]]:
    """Probabilities [n, C] of the test examples, and what the library expected of its choice."""
    task = problem.task
    (folder / "fit").mkdir()
    # Embedded once for all rows.
    (folder / "fit" / "features").symlink_to(cache_dir.resolve(), target_is_directory=True)
    result = textssl.fit_classifier(
        task.train.select(problem.labeled).flatten_indices(),
        task.train.select(problem.unlabeled).select_columns([task.column]).flatten_indices(),
        level=level,
        output_dir=folder / "fit",
        text_column=task.column,
        max_length=MAX_LENGTH,
        seed=problem.draw.seed,
        progress=False,
    )
    probs = np.zeros((len(task.test), problem.num_labels))
    probs[:, [task.label_names.index(name) for name in result.label_names]] = result.predict_proba(
        task.test[task.column]
    )
    told = result.to_dict()
    names = ("chosen", "expected_accuracy", "expected_macro_f1", "log_loss", "warnings", "seconds", "candidates")
    return probs, {name: told.get(name) for name in names}

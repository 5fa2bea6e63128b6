"""The report of the command ``textssl fit``: what the choice tells, measured on held-out examples if there are any."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from ...fit import FitResult
from ...report.from_predictions import evaluation_of, mistakes_of
from ...report.items import item_of
from ...secrets import redacted, secrets_of
from .options import FitOptions
from .task import FitTask


__all__ = ["fit_command", "write_fit_report"]

# Names of flags that differ from those of the options.
FLAGS = {"test_file": "test", "num_labeled": "labels", "output_dir": "output"}
DATA = ("source", "train_file", "unlabeled_file")


def write_fit_report(
    found: FitResult, options: FitOptions, task: FitTask, probs: np.ndarray | None, warned: Sequence[str]
) -> Path:
    """Write the report of a choice into its folder, and return the page.

    Args:
        found: what was chosen.
        options: data, level and folders.
        task: the data.
        probs: predicted for the held-out examples ``[n, C]``; ``None`` where there are none.
        warned: warnings that were logged.
    """
    assert found.report_data is not None
    contents, parts = found.report_data.contents, task.parts
    changes: dict[str, Any] = {
        "title": f"fit on {task.name}",
        "command": fit_command(options),
        "facts": (("data", task.name), ("level", options.level), *contents.facts),
        "warnings": tuple(dict.fromkeys([*contents.warnings, *parts.notes, *(line.rstrip(".") for line in warned)])),
    }
    if probs is not None and parts.test is not None:
        labels, names, test = task.test_labels, found.label_names, parts.test
        evaluation = evaluation_of(labels, probs, names, "held-out examples")
        low, high = 100 * (evaluation.low or 0), 100 * (evaluation.high or 0)
        measured = f"accuracy {100 * (evaluation.accuracy or 0):.1f} % ({low:.1f} to {high:.1f}, 95 %)"
        changes |= {
            "evaluation": evaluation,
            "mistakes": mistakes_of(labels, probs, names, lambda row: item_of(test[row][parts.column])),
            "findings": (f"{measured} on {evaluation.count:,} held-out examples", *contents.findings),
        }
    source, column = parts.unlabeled_source, parts.label_column
    return found.report(options.output_dir, source=source, label_column=column, **changes)


def fit_command(options: FitOptions) -> str:
    """The command with these options, without tokens."""
    given = [getattr(options, name) for name in DATA]
    words = ["textssl", "fit", *(str(value) for value in given if value is not None)]
    for entry in fields(options):
        value = getattr(options, entry.name)
        if entry.name in DATA or not entry.init or value is None or value == entry.default:
            continue
        flag = "--" + FLAGS.get(entry.name, entry.name).replace("_", "-")
        shown = ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
        words += [flag] if value is True else [flag, shown]
    return shlex.join(redacted([word for word in words if word != "--overwrite"], secrets_of(options)))

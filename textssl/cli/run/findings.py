"""What came out of a recipe's run, in sentences: against its baselines, by accuracy and by log-loss."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...config import SSLConfig
from ...report.from_history import pseudo_label_quality_of, share_warnings
from ...report.from_predictions import verdicts
from ..data.task_data import TaskData
from .measured_predictions import MeasuredPredictions


__all__ = [
    "BASELINES",
    "PARTS",
    "RunFindings",
    "counted",
    "findings_of",
    "labeled_shares",
    "measured_on",
    "measured_stages",
]

# Of the method's result, what the report needs besides its history.
PARTS = "report"
BASELINES = ("supervised", "probe")


@dataclass(frozen=True)
class RunFindings:
    """What came out of a run.

    Attributes:
        findings: sentences, the most important first.
        warnings: about the classes that are predicted.
    """

    findings: tuple[str, ...]
    warnings: tuple[str, ...]


def findings_of(
    method: str, results: Mapping[str, Any], data: TaskData, config: SSLConfig, folder: Path
) -> RunFindings:
    """Say whether the method is better than what it is compared with, and how good its pseudo-labels were.

    Args:
        method: name of the last stage.
        results: of all stages.
        data: of the task.
        config: the run's.
        folder: of the run.
    """
    measured = measured_stages(results, folder)
    sentences: list[str] = []
    if method in measured:
        probs = {name: found.probs for name, found in measured.items()}
        others = [name for name in BASELINES if name in measured and name != method]
        sentences += verdicts(measured[method].labels, probs, method, others, counted(measured[method]))
    else:
        sentences.append("no labels were held out, so it is not known whether the unlabeled examples helped")
    quality = pseudo_label_quality_of(results[method]["history"])
    if quality:
        last = quality[-1]
        share = f"{100 * (last.kept_share or 0):.0f} %"
        sentence = f"of the pseudo-labels of the last steps, up to step {last.step:,}, {share} were used"
        if last.accuracy is not None:
            sentence += f", and {100 * last.accuracy:.1f} % of those were right"
        sentences.append(sentence)
    unlabeled = results[method].get(PARTS, {}).get("unlabeled")
    warnings = []
    if unlabeled is not None:
        warnings = share_warnings(labeled_shares(data, config), np.array(unlabeled["shares"]), data.label_names)
        if "accuracy" in unlabeled:
            share, count = f"{100 * unlabeled['accuracy']:.1f} %", f"{unlabeled['count']:,}"
            sentences.append(
                f"{share} of {count} unlabeled examples are predicted right, by labels that no training saw"
            )
    return RunFindings(tuple(sentences), tuple(warnings))


def measured_stages(results: Mapping[str, Any], folder: Path) -> dict[str, MeasuredPredictions]:
    """Predictions of the stages for the same held-out examples."""
    found = {name: MeasuredPredictions.read(folder / name) for name in results}
    return {name: part for name, part in found.items() if part is not None}


def measured_on(measured: MeasuredPredictions) -> str:
    """What the examples are, for a person."""
    return "held-out examples" if measured.part == "test" else "validation examples"


def counted(measured: MeasuredPredictions) -> str:
    """The same with their number."""
    return f"{len(measured.labels):,} {measured_on(measured)}"


def labeled_shares(data: TaskData, config: SSLConfig) -> np.ndarray:
    """Shares of the classes among the labeled examples ``[C]``."""
    counts = np.bincount(np.asarray(data.labeled[config.label_column][:]), minlength=len(data.label_names))
    shares: np.ndarray = counts / counts.sum()
    return shares

"""What a method that judges its labels found: which of them are right, for each labeled example."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import datasets
import numpy as np
from datasets import ClassLabel, Features, Value
from sklearn.metrics import roc_auc_score

from ...data.files import write_parquet
from ...training.trainer import SSLTrainer
from ..data.noisy_labels import TRUE_LABEL
from ..data.task_data import TaskData


__all__ = ["QUALITY_FILE", "LabelJudge", "quality_line", "write_label_quality"]

QUALITY_FILE = "label_quality.parquet"


@runtime_checkable
class LabelJudge(Protocol):
    """A trainer that estimates the probability that each label is correct."""

    def clean_probability(self) -> np.ndarray:
        """[N] float32, in the order of the labeled training data; every process calls it."""


def write_label_quality(trainer: SSLTrainer, data: TaskData, label_column: str, folder: Path) -> dict[str, Any]:
    """Write ``label_quality.parquet`` for a trainer that judges its labels; for another do nothing.

    The file has a row for each labeled example: ``index``, its place in the training data; ``text``, none for images,
    and ``text_pair`` where there are pairs; ``label``, as it was trained on; ``clean_probability``; and ``true_label``
    where that is known.

    Args:
        trainer: after training.
        data: of the task.
        label_column: of the labels.
        folder: of the run.

    Returns:
        For the results: ``clean_share``, the share of the labels whose probability is above one half, and
        ``clean_auc``, the area under the ROC curve of the probability against the truth; ``None`` where the truth is
        unknown, or all labels are right or all wrong. Empty where the trainer judges none.
    """
    if not isinstance(trainer, LabelJudge):
        return {}
    probability = np.asarray(trainer.clean_probability(), np.float32)
    # What it trained on: images that cannot be read may have been left out.
    labeled = trainer.train_dataset.labeled
    labels, truth = np.asarray(labeled[label_column][:], np.int64), _truth(labeled, data)
    classes = ClassLabel(names=list(data.label_names))
    columns: dict[str, tuple[Any, Any]] = {"index": (np.arange(len(labels)), Value("int64"))}
    if data.modality == "text" and data.column in labeled.column_names:
        columns["text"] = (labeled[data.column][:], Value("string"))
        if data.pair_column is not None:
            columns["text_pair"] = (labeled[data.pair_column][:], Value("string"))
    columns |= {"label": (labels, classes), "clean_probability": (probability, Value("float32"))}
    if truth is not None:
        columns[TRUE_LABEL] = (truth, classes)
    if trainer.is_world_process_zero():
        features = Features({name: feature for name, (_, feature) in columns.items()})
        table = datasets.Dataset.from_dict({name: values for name, (values, _) in columns.items()}, features=features)
        write_parquet(table, folder / QUALITY_FILE)
    return {
        "clean_share": float(np.mean(probability > 0.5)),
        "clean_auc": None if truth is None else _auc(labels == truth, probability),
    }


def quality_line(result: Mapping[str, Any], folder: Path) -> str | None:
    """One line for a person, ``None`` where the labels were not judged.

    Args:
        result: of the method.
        folder: of the run.
    """
    if "clean_share" not in result:
        return None
    auc = "" if result["clean_auc"] is None else f"; AUC against the truth {result['clean_auc']:.2f}"
    return f"labels: {100 * result['clean_share']:.1f} % taken as clean{auc} ({folder / QUALITY_FILE})"


def _truth(labeled: datasets.Dataset, data: TaskData) -> np.ndarray | None:
    """Of a person's own column of that name, where it has the classes of the task, in any order."""
    feature = labeled.features.get(TRUE_LABEL)
    if not isinstance(feature, ClassLabel) or set(feature.names) != set(data.label_names):
        return None
    ours = np.array([data.label_names.index(name) for name in feature.names])
    return ours[np.asarray(labeled[TRUE_LABEL][:], np.int64)]


def _auc(clean: np.ndarray, probability: np.ndarray) -> float | None:
    return None if clean.all() or not clean.any() else float(roc_auc_score(clean, probability))

"""Linear probing, then fine-tuning: the probe is the head from which encoder and head are trained together.

A new head would first pull the encoder towards what a random classifier needs; the probe pulls it nowhere (Kumar et
al., 2022, arXiv:2202.10054). Labels alone, or a method with the unlabeled examples, then move both.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import datasets
import numpy as np
from transformers import PrinterCallback

from ...augment import Augmentation
from ...augment.text import UniformReplacement
from ...augment.text.special_tokens import special_tokens_of
from ...data.predicted_columns import PROBABILITIES
from ...methods import METHODS
from ...training.truncation_report import TruncationReport
from ..data import FitData
from ..probe import fit_probe
from .base import Candidate
from .networks import (
    NetworkCandidate,
    TrainedNetwork,
    column_settings,
    model_with,
    precision,
    processing_class_of,
    seconds_per_row,
)


__all__ = ["FINETUNED", "FineTuning", "FineTuningWithTeacher", "FineTuningWithUnlabeled"]

LABEL = "label"
BATCH = 8
MU = 3
WARMUP = 0.1
# More passes over few labels raise the log-loss.
PASSES = 6
MOST_STEPS = 600
STEPS_WITH_UNLABELED = 120
# Share of words that the strong view replaces by words of the vocabulary.
REPLACED = 0.15
# Of the steps with unlabeled examples, those before them that are on labels alone: the first targets are then of a
# classifier that is fine-tuned already.
WARM_START = 1 / 3
# Making the trainer and its data.
OVERHEAD = 3.0

SETTINGS: dict[str, Any] = {
    "per_device_train_batch_size": BATCH,
    "mu": MU,
    "learning_rate": 5e-5,
    "head_learning_rate": 5e-4,
    "weight_decay": 0.0,
    "lr_scheduler_type": "linear",
    "finetune_steps": 0,
    "data_check": "off",
    "disable_tqdm": True,
    "eval_strategy": "no",
    "logging_strategy": "no",
    "report_to": [],
    "save_strategy": "no",
}


class FineTuning(NetworkCandidate):
    """Fine-tuning on the labels alone, from the probe."""

    level = "balanced"
    supervised = True
    method: ClassVar[str] = "supervised"
    rows_per_step: ClassVar[float] = BATCH

    def __init__(self, name: str = "finetuning", **settings: Any) -> None:
        self.name = name
        self.own_settings = settings

    def steps(self, data: FitData) -> int:
        """Optimizer steps: a few passes over the labels."""
        return min(PASSES * math.ceil(len(data.labels) / BATCH), MOST_STEPS)

    def settings(self, data: FitData, steps: int) -> dict[str, Any]:
        """Settings of the method that depend on the data."""
        return {}

    def unlabeled(self, data: FitData, teacher: np.ndarray | None) -> datasets.Dataset | None:
        """Unlabeled examples as the method takes them."""
        return None

    def train(self, data: FitData, folder: Path, teacher: np.ndarray | None = None) -> TrainedNetwork:
        """Fit the probe, make it the head, and fine-tune."""
        head = fit_probe(data.labeled.features, data.labels, data.num_labels)
        kind = METHODS[self.method]
        steps = self.steps(data)
        config = kind.config_class(
            output_dir=str(folder),
            seed=data.seed,
            max_steps=steps,
            warmup_steps=round(WARMUP * steps),
            **precision(),
            **column_settings(data),
            **SETTINGS | self.settings(data, steps) | self.own_settings,
        )
        processing_class = processing_class_of(data)
        trainer = kind(
            model_with(head, data, to_train=True),
            config,
            data.labeled.rows.select_columns([data.column]).add_column(LABEL, data.labels),
            self.unlabeled(data, teacher),
            processing_class=processing_class,
            augmentations=self.augmentations(data, processing_class),
        )
        for callback in (PrinterCallback, TruncationReport):
            trainer.remove_callback(callback)
        trainer.train()
        network: Any = trainer.evaluated_model
        return TrainedNetwork(network, data)

    def augmentations(self, data: FitData, processing_class: Any) -> Mapping[str, Augmentation]:
        """Views that are not the method's own choice."""
        return {}

    def seconds(self, data: FitData) -> float:
        """Steps, by the time that one takes here."""
        return OVERHEAD + self.steps(data) * self.rows_per_step * seconds_per_row(data)


class FineTuningWithUnlabeled(FineTuning):
    """Fine-tuning by a method that makes its own targets for the unlabeled examples, from the probe.

    Args:
        name: of the candidate.
        method: a key of ``METHODS``.
        level: the first that tries it.
        **settings: of the method, beside those that all have.
    """

    supervised = False
    needs_unlabeled = True
    # The weak view has no gradient.
    rows_per_step = BATCH * (1 + 1.35 * MU)

    def __init__(self, name: str, method: str, level: str = "balanced", **settings: Any) -> None:
        super().__init__(name, **settings)
        self.method = method  # type: ignore[misc]
        self.level = level  # type: ignore[misc]

    def steps(self, data: FitData) -> int:
        """A number that does not depend on the data."""
        return STEPS_WITH_UNLABELED

    def settings(self, data: FitData, steps: int) -> dict[str, Any]:
        """A threshold halfway between chance and certainty."""
        return {"threshold": (1 + 1 / data.num_labels) / 2, "warm_start_steps": round(WARM_START * steps)}

    def unlabeled(self, data: FitData, teacher: np.ndarray | None) -> datasets.Dataset | None:
        """All unlabeled examples."""
        return data.unlabeled.rows.select_columns([data.column])

    def augmentations(self, data: FitData, processing_class: Any) -> Mapping[str, Augmentation]:
        """For texts, a strong view that replaces words by words of the unlabeled texts."""
        if data.modality != "text" or "strong" not in METHODS[self.method].objective_class.views["unlabeled"]:
            return {}
        texts, special = data.unlabeled.rows[data.column], special_tokens_of(processing_class)
        return {"strong": UniformReplacement.fit(texts, p=REPLACED, column=data.column, special_tokens=special)}


class FineTuningWithTeacher(FineTuningWithUnlabeled):
    """Fine-tuning on a teacher's pseudo-labels, starting from the probe."""

    takes_teacher = True
    rows_per_step = BATCH * (1 + MU)

    def settings(self, data: FitData, steps: int) -> dict[str, Any]:
        """None: the teacher has said all."""
        return {}

    def unlabeled(self, data: FitData, teacher: np.ndarray | None) -> datasets.Dataset | None:
        """All unlabeled examples with the teacher's probabilities; without a teacher, those of the probe."""
        if teacher is None:
            head = fit_probe(data.labeled.features, data.labels, data.num_labels)
            teacher = head.probs(data.unlabeled.features)
        rows = data.unlabeled.rows.select_columns([data.column])
        probs = np.asarray(teacher, dtype=np.float32)
        return rows.add_column(PROBABILITIES, [*(probs / probs.sum(1, keepdims=True))])


FINETUNED: tuple[Candidate, ...] = (
    FineTuning(),
    FineTuningWithUnlabeled(
        "finetuning_uda", "uda", temperature=0.5, teacher_decay=0.97, tsa="none", distribution_alignment="sqrt"
    ),
    FineTuningWithTeacher("finetuning_distillation", "distillation", teacher_weight=0.5),
    FineTuningWithUnlabeled(
        "finetuning_fixmatch", "fixmatch", "best", ema_decay=0.97, target_dropout=False, distribution_alignment="sqrt"
    ),
    FineTuningWithTeacher(
        "finetuning_noisy_student",
        "noisy_student",
        "best",
        unlabeled_weight=1.0,
        balance="none",
        rounds=1,
        label_smoothing_factor=0.0,
    ),
)

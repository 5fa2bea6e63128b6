"""Methods that learn from what a teacher said of the unlabeled examples before training began."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from datasets import Dataset

from .config import SSLConfig, allowed, positive
from .data.feature_validation import check_features, feature_array
from .errors import UserError
from .objective import Objective
from .probabilities import SUM_TOLERANCE


__all__ = ["PseudoLabeledConfig", "PseudoLabeledObjective", "check_probs"]

STUDENTS = ("fresh", "continued")


@dataclass
class PseudoLabeledConfig(SSLConfig):
    """Arguments that all methods with a teacher share.

    Args:
        teacher: a folder or a model of the Hub: a trained classifier of the same labels. ``None``: a teacher is
            trained on the labeled examples first.
        teacher_steps: optimizer steps of that teacher; ``None`` takes ``max_steps``.
        teacher_learning_rate: its peak learning rate; ``None`` takes ``learning_rate``.
        probs_column: the column of a teacher's probabilities, ``[C]`` for each unlabeled example. Data that have it
            are taken as they are: there is one round, without a teacher.
        student: ``fresh``: each student starts from the initial weights, and ``continued``: from those of its
            teacher.

    Raises:
        UserError: a value out of range.
    """

    teacher: str | None = field(default=None, metadata={"help": "Trained classifier; default: one is trained first."})
    teacher_steps: int | None = field(default=None, metadata={"help": "Steps of the teacher; default: max_steps."})
    teacher_learning_rate: float | None = field(
        default=None, metadata={"help": "Learning rate of the teacher; default: learning_rate."}
    )
    probs_column: str = field(default="probs", metadata={"help": "Column of a teacher's probabilities."})
    student: str = field(
        default="fresh", metadata={"help": "Start of a student: fresh, the initial weights, or continued."}
    )

    def __post_init__(self) -> None:
        allowed("student", self.student, STUDENTS)
        if self.teacher_steps is not None and self.teacher_steps < 1:
            raise UserError(f"teacher_steps: got {self.teacher_steps}; expected at least 1")
        positive("teacher_learning_rate", self.teacher_learning_rate)
        super().__post_init__()

    @property
    def num_rounds(self) -> int:
        """Students in all; 1 unless the method has a setting ``rounds``."""
        return int(getattr(self, "rounds", 1))

    def selection(self, round_number: int, num_labels: int, num_unlabeled: int) -> dict[str, Any]:
        """What :func:`textssl.selection.select_pseudo_labels` is told in a round, from 1; by default to keep all."""
        return {}


class PseudoLabeledObjective(Objective):
    """A loss of labeled examples and of unlabeled ones with a teacher's probabilities."""

    takes_probs: ClassVar[bool] = True


def check_probs(dataset: Dataset, column: str, num_labels: int) -> Dataset:
    """Check a column of a teacher's probabilities.

    Args:
        dataset: N > 0 rows.
        column: lists of C numbers.
        num_labels: C.

    Returns:
        The same rows, the column in float32.

    Raises:
        UserError: no lists of C finite numbers, or some that are no probabilities.
    """
    dataset = check_features(dataset, column, "unlabeled_dataset", size=num_labels)
    probs = feature_array(dataset, column)
    wrong = (np.abs(probs.sum(axis=1, dtype=np.float64) - 1) > SUM_TOLERANCE) | (probs.min(axis=1) < 0)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise UserError(
            f"unlabeled_dataset: {column!r} of row {row} is {probs[row].tolist()}; expected probabilities, which are "
            "positive and sum to one"
        )
    return dataset

"""Methods that learn from what a teacher said of the unlabeled examples before training began."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from datasets import Dataset

from ..config import SSLConfig, check_allowed, check_positive
from ..data.class_names import are_defaults, format_names
from ..data.predicted_columns import PROBABILITIES, PROBABILITY, named_probabilities, with_joined_probabilities
from ..data.probabilities import SUM_TOLERANCE
from ..data.vectors import feature_array, with_features
from ..errors import UserError
from ..modalities.features.validation import check_features
from ..objective import Objective, Task
from ..training.distribution_alignment import Alignment, alignment_prior


__all__ = ["PseudoLabeledConfig", "PseudoLabeledObjective", "balance_word", "check_probs", "has_probs"]

STUDENTS = ("fresh", "continued")


@dataclass
class PseudoLabeledConfig(SSLConfig):
    """Arguments that all methods with a teacher share.

    Args:
        teacher: a folder or a model of the Hub: a trained classifier of the same labels. ``None``: a teacher is
            trained on the labeled examples first.
        teacher_steps: optimizer steps of that teacher; ``None`` takes ``max_steps``.
        teacher_learning_rate: its peak learning rate; ``None`` takes ``learning_rate``.
        probabilities_column: the column of a teacher's probabilities, ``[C]`` for each unlabeled example, in the order
            of the model's classes. Data that have it, or a column ``probability_NAME`` for each class as ``textssl
            pseudo-label`` writes them, are taken as they are: there is one round, without a teacher.
        student_init: ``fresh``: each student starts from the initial weights, and ``continued``: from those of its
            teacher.

    Raises:
        UserError: a value out of range.
    """

    teacher: str | None = field(default=None, metadata={"help": "Trained classifier; default: one is trained first."})
    teacher_steps: int | None = field(default=None, metadata={"help": "Steps of the teacher; default: max_steps."})
    teacher_learning_rate: float | None = field(
        default=None, metadata={"help": "Learning rate of the teacher; default: learning_rate."}
    )
    probabilities_column: str = field(
        default=PROBABILITIES,
        metadata={"help": "Column of a teacher's probabilities, lists; or a column probability_NAME for each class."},
    )
    student_init: str = field(
        default="fresh", metadata={"help": "Start of a student: fresh, the initial weights, or continued."}
    )

    def __post_init__(self) -> None:
        check_allowed("student_init", self.student_init, STUDENTS)
        if self.teacher_steps is not None and self.teacher_steps < 1:
            raise UserError(f"teacher_steps: got {self.teacher_steps}; expected at least 1")
        check_positive("teacher_learning_rate", self.teacher_learning_rate)
        super().__post_init__()

    @property
    def num_rounds(self) -> int:
        """Students in all; 1 unless the method has a setting ``rounds``."""
        return int(getattr(self, "rounds", 1))

    def selection(self, round_number: int, num_labels: int, num_unlabeled: int) -> dict[str, Any]:
        """What :func:`.select_pseudo_labels` is told in a round, from 1; by default to keep all."""
        return {}


class PseudoLabeledObjective(Objective):
    """A loss of labeled examples and of unlabeled ones with a teacher's probabilities."""

    takes_probs: ClassVar[bool] = True
    other_needs: ClassVar[tuple[str, ...]] = ("teacher",)
    wanted_prior: tuple[float, ...]

    def __init__(self, config: Any, task: Task) -> None:
        super().__init__(config, task)
        # What a setting ``balance`` starts from. Made here, so that shares of other classes are found before training.
        balance = getattr(config, "balance", "none")
        self.wanted_prior = alignment_prior(balance, task.class_prior, task.label_names, "balance")


def balance_word(balance: Alignment | None) -> str:
    """Arguments of :func:`.select_pseudo_labels` for a setting ``balance``.

    Own shares stand in for the labeled ones, which :attr:`PseudoLabeledObjective.wanted_prior` hands over.
    """
    if balance is None:
        return "none"
    return balance if isinstance(balance, str) else "labeled"


def check_probs(dataset: Dataset, column: str, names: Sequence[str]) -> Dataset:
    """Check a teacher's probabilities, and put them in the order of the model's classes.

    Args:
        dataset: N > 0 rows.
        column: lists of C numbers in the order of the model's classes. Where the data have no such column, it is made
            of their columns ``probability_NAME``.
        names: [C] of the model's classes. If they are not LABEL_0 and so on, they are compared with those names.

    Returns:
        The same rows, the column in float32.

    Raises:
        UserError: no lists of C finite numbers, or some that are no probabilities; other classes than the model's.
    """
    theirs = None
    if column not in dataset.column_names:
        theirs = named_probabilities(dataset.column_names)
        _check_names(theirs, names)
        dataset = with_joined_probabilities(dataset, column, "unlabeled_dataset")
    dataset = check_features(dataset, column, "unlabeled_dataset", size=len(names))
    probs = feature_array(dataset, column)
    wrong = (np.abs(probs.sum(axis=1, dtype=np.float64) - 1) > SUM_TOLERANCE) | (probs.min(axis=1) < 0)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise UserError(
            f"unlabeled_dataset: {column!r} of row {row} is {probs[row].tolist()}; expected probabilities, which are "
            "positive and sum to one"
        )
    if theirs is None or theirs == [*names] or are_defaults(names) or are_defaults(theirs):
        return dataset
    return with_features(dataset, column, np.ascontiguousarray(probs[:, [theirs.index(name) for name in names]]))


def has_probs(dataset: Dataset, column: str) -> bool:
    """Whether unlabeled data bring a teacher's probabilities: the column, or one for each class."""
    return column in dataset.column_names or bool(named_probabilities(dataset.column_names))


def _check_names(theirs: Sequence[str], names: Sequence[str]) -> None:
    unnamed = are_defaults(names) or are_defaults(theirs)
    if len(theirs) != len(names) if unnamed else sorted(theirs) != sorted(names):
        raise UserError(
            f"unlabeled_dataset: the columns {PROBABILITY}NAME are of the classes {format_names(theirs)}; those of "
            f"the model are {format_names(names)}"
        )

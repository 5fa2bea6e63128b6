"""Gathers what the report of a recipe's run says: while it trains, and from its results at the end."""

from __future__ import annotations

from ...training.trainer import SSLTrainer
from ...training.unlabeled_record import UnlabeledRecord
from ..data.task_data import TaskData


__all__ = ["watch_unlabeled"]


def watch_unlabeled(trainer: SSLTrainer, data: TaskData) -> None:
    """Have a trainer record what becomes of its unlabeled examples, if it has any.

    Args:
        trainer: of a stage, before training.
        data: of the task, which may tell the hidden classes of unlabeled examples.
    """
    if trainer.train_dataset.unlabeled is not None:
        trainer.add_callback(UnlabeledRecord(trainer, data.unlabeled_truth))

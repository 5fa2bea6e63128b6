"""Unlabeled examples that a teacher has labeled already, as ``textssl pseudo-label`` writes them."""

from __future__ import annotations

import logging

import datasets

from ...config import SSLConfig
from ...data.predicted_columns import PROBABILITY, named_probabilities
from ...notices import warn_once


__all__ = ["teacher_columns"]

logger = logging.getLogger(__name__)


def teacher_columns(rows: datasets.Dataset, config: SSLConfig) -> list[str]:
    """Columns of a teacher's probabilities that the method learns from; a warning where it does not read them.

    Args:
        rows: unlabeled examples with all their columns.
        config: the method's.
    """
    column = getattr(config, "probabilities_column", None)
    if column in rows.column_names:
        return [str(column)]
    named = [f"{PROBABILITY}{name}" for name in named_probabilities(rows.column_names)]
    if named and column is None:
        warn_once(
            logger,
            f"unlabeled_file: the method does not read its columns {named[0]}, ...; distillation, self_training and "
            "noisy_student do",
        )
        return []
    return named

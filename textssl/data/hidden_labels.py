"""The classes of unlabeled examples where the data tell them: for reports, never for training."""

from __future__ import annotations

from collections.abc import Sequence

import datasets
import numpy as np
from datasets import ClassLabel

from .predicted_columns import are_predictions


__all__ = ["hidden_labels"]


def hidden_labels(rows: datasets.Dataset, label_column: str, label_names: Sequence[str]) -> np.ndarray | None:
    """Class number of each row ``[N]``, -1 where there is none; ``None`` where no row has one that is no pseudo-label.

    Classes are matched by name; what is no name of a class counts as unknown.

    Args:
        rows: unlabeled examples with all their columns.
        label_column: where labels may stand.
        label_names: the classes in their order.
    """
    if label_column not in rows.column_names or are_predictions(rows.column_names, label_column):
        return None
    places = {name: number for number, name in enumerate(label_names)}
    feature = rows.features[label_column]
    values = rows.select_columns([label_column])[label_column][:]
    names = [
        feature.names[value] if isinstance(feature, ClassLabel) and value is not None and value >= 0 else value
        for value in values
    ]
    numbers = np.array([places.get(str(name), -1) for name in names], dtype=np.int64)
    return numbers if (numbers >= 0).any() else None

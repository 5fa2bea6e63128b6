"""What a trainer does to its data before anything long: check them, describe them, choose default views."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import datasets
import numpy as np
import pyarrow.compute as pc

from ..augment import Augmentation
from ..augment.text import TfIdfReplacement
from ..errors import UserError
from ..objective import Task
from .validation import check_eval, check_labeled, check_unlabeled


if TYPE_CHECKING:
    from ..config import SSLConfig


__all__ = ["CheckedData", "checked_data", "checked_evaluation", "text_lengths", "with_defaults"]


@dataclass(frozen=True)
class CheckedData:
    """Data that passed every check, labels as class numbers."""

    labeled: datasets.Dataset
    unlabeled: datasets.Dataset | None
    evaluation: datasets.Dataset | dict[str, datasets.Dataset] | None

    def task(self, label_column: str, num_labels: int) -> Task:
        """What an objective may know of the data."""
        counts = np.bincount(np.asarray(self.labeled[label_column]), minlength=num_labels)
        return Task(
            num_labels=num_labels,
            num_labeled=len(self.labeled),
            num_unlabeled=0 if self.unlabeled is None else len(self.unlabeled),
            class_prior=tuple(float(share) for share in counts / counts.sum()),
        )


def checked_data(
    model_config: Any,
    args: SSLConfig,
    labeled: datasets.Dataset,
    unlabeled: datasets.Dataset | None,
    evaluation: datasets.Dataset | dict[str, datasets.Dataset] | None,
) -> CheckedData:
    """Check all data sets of a run.

    Raises:
        UserError: the first thing that cannot work.
    """
    columns = (args.text_column, args.label_column)
    known = (model_config.num_labels, model_config.label2id)
    labeled = _plain(check_labeled(labeled, *columns, *known))
    if unlabeled is not None:
        unlabeled = _plain(check_unlabeled(unlabeled, args.text_column))
    if isinstance(evaluation, Mapping):
        evaluation = {name: checked_evaluation(model_config, args, part) for name, part in evaluation.items()}
    elif evaluation is not None:
        evaluation = checked_evaluation(model_config, args, evaluation)
    return CheckedData(labeled, unlabeled, evaluation)


def checked_evaluation(model_config: Any, args: SSLConfig, dataset: datasets.Dataset) -> datasets.Dataset:
    """Check one held-out data set, and give its labels the model's ids.

    Raises:
        UserError: the first thing that cannot work.
    """
    columns = (args.text_column, args.label_column)
    return _plain(check_eval(dataset, *columns, model_config.num_labels, model_config.label2id))


def _plain(dataset: datasets.Dataset) -> datasets.Dataset:
    """All columns as Python values: a format such as ``"torch"`` may hide some, as ``set_format`` does."""
    return dataset if dataset.format["type"] == "custom" else dataset.with_format(None)


def text_lengths(dataset: datasets.Dataset, column: str) -> np.ndarray:
    """Characters of each text, counted by Arrow."""
    texts = dataset.with_format("arrow")[column]
    return np.asarray(pc.utf8_length(texts))


def with_defaults(
    views: Mapping[str, Sequence[str]],
    given: Mapping[str, Augmentation],
    unlabeled: datasets.Dataset | None,
    text_column: str,
) -> dict[str, Augmentation]:
    """Add the default strong view, TF-IDF word replacement, where a method has one and nobody chose.

    Raises:
        UserError: a view that no method has, nor this one.
    """
    wanted = {view for names in views.values() for view in names}
    # What other methods call their views may stay, so that one dictionary serves several trainers.
    if unknown := sorted(given.keys() - wanted - {"weak", "strong"}):
        raise UserError(f"augmentations: got {unknown[0]!r}; the method's views are {', '.join(sorted(wanted))}")
    ways = dict(given)
    if "strong" in wanted and "strong" not in ways and unlabeled is not None:
        ways["strong"] = TfIdfReplacement.fit(unlabeled[text_column], column=text_column)
    return ways

"""What a trainer does to its data before anything long: check them, and describe them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import datasets
import numpy as np
import pyarrow.compute as pc

from ..objective import Task
from .validation import check_eval, check_labeled, check_unlabeled


if TYPE_CHECKING:
    from ..config import SSLConfig
    from ..modalities import Modality


__all__ = ["CheckedData", "checked_data", "checked_evaluation", "text_lengths"]


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
    modality: Modality,
    labeled: datasets.Dataset,
    unlabeled: datasets.Dataset | None,
    evaluation: datasets.Dataset | dict[str, datasets.Dataset] | None,
) -> CheckedData:
    """Check all data sets of a run.

    Raises:
        UserError: the first thing that cannot work.
    """
    columns = (modality.column(args), args.label_column)
    known = (model_config.num_labels, model_config.label2id)
    check_inputs = _input_check(modality, args)
    labeled = _plain(check_labeled(labeled, *columns, *known, check_inputs=check_inputs))
    if unlabeled is not None:
        unlabeled = _plain(check_unlabeled(unlabeled, columns[0], check_inputs=check_inputs))
    if isinstance(evaluation, Mapping):
        evaluation = {k: checked_evaluation(model_config, args, modality, part) for k, part in evaluation.items()}
    elif evaluation is not None:
        evaluation = checked_evaluation(model_config, args, modality, evaluation)
    return CheckedData(labeled, unlabeled, evaluation)


def checked_evaluation(
    model_config: Any, args: SSLConfig, modality: Modality, dataset: datasets.Dataset
) -> datasets.Dataset:
    """Check one held-out data set, and give its labels the model's ids.

    Raises:
        UserError: the first thing that cannot work.
    """
    columns = (modality.column(args), args.label_column)
    known = (model_config.num_labels, model_config.label2id)
    return _plain(check_eval(dataset, *columns, *known, check_inputs=_input_check(modality, args)))


def _input_check(modality: Modality, args: SSLConfig) -> Callable[[datasets.Dataset, str, str], datasets.Dataset]:
    return lambda dataset, _, argument: modality.check_inputs(dataset, args, argument)


def _plain(dataset: datasets.Dataset) -> datasets.Dataset:
    """All columns as Python values: a format such as ``"torch"`` may hide some, as ``set_format`` does."""
    return dataset if dataset.format["type"] == "custom" else dataset.with_format(None)


def text_lengths(dataset: datasets.Dataset, column: str) -> np.ndarray:
    """Characters of each text, counted by Arrow."""
    texts = dataset.with_format("arrow")[column]
    return np.asarray(pc.utf8_length(texts))

"""What a trainer does to its data before anything long: check them, and describe them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import datasets
import numpy as np

from ..data.class_names import ids_by_name, label_names, name_classes, own_names
from ..data.quality import DataQuality, label_findings
from ..data.validation import check_labels, check_unlabeled
from ..objective import Task
from .held_out_checks import HeldOutCheck, as_python, input_check


if TYPE_CHECKING:
    from ..config import SSLConfig
    from ..modalities import Modality


__all__ = ["CheckedData", "checked_data"]


@dataclass(frozen=True)
class CheckedData:
    """Data that passed every check, labels as class numbers, and what checks further held-out data."""

    labeled: datasets.Dataset
    unlabeled: datasets.Dataset | None
    evaluation: datasets.Dataset | dict[str, datasets.Dataset] | None
    held_out: HeldOutCheck

    def task(self, label_column: str, model_config: Any) -> Task:
        """What an objective may know of the data."""
        names = label_names(model_config)
        counts = np.bincount(np.asarray(self.labeled[label_column]), minlength=len(names))
        return Task(
            num_labels=len(names),
            num_labeled=len(self.labeled),
            num_unlabeled=0 if self.unlabeled is None else len(self.unlabeled),
            class_prior=tuple(float(share) for share in counts / counts.sum()),
            label_names=tuple(own_names(model_config) or names),
        )


def checked_data(
    model_config: Any,
    args: SSLConfig,
    modality: Modality,
    labeled: datasets.Dataset,
    unlabeled: datasets.Dataset | None,
    evaluation: datasets.Dataset | dict[str, datasets.Dataset] | None,
) -> CheckedData:
    """Check all data sets of a run, and give a model whose classes have no names those of the labeled examples.

    Raises:
        UserError: the first thing that cannot work.
    """
    column, label_column = modality.column(args), args.label_column
    check = input_check(modality, args)
    given = check_unlabeled(labeled, column, argument="train_dataset", check_inputs=check)
    name_classes(model_config, given, label_column)
    known = (model_config.num_labels, ids_by_name(model_config))
    labeled = as_python(check_labels(given, label_column, *known))
    if unlabeled is not None:
        unlabeled = as_python(check_unlabeled(unlabeled, column, check_inputs=check))
    quality = DataQuality(
        modality.columns(args), label_column, args.data_check, args.process_index == 0, own_names(model_config)
    )
    quality.report(label_findings(given, label_column, "train_dataset"))
    quality.check_training(("train_dataset", labeled), None if unlabeled is None else ("unlabeled_dataset", unlabeled))
    held_out = HeldOutCheck(model_config, args, modality, quality, _renumbered(model_config, given, label_column))
    if isinstance(evaluation, Mapping):
        evaluation = {name: held_out.labeled(part, f"eval_dataset[{name!r}]") for name, part in evaluation.items()}
    elif evaluation is not None:
        evaluation = held_out.labeled(evaluation)
    return CheckedData(labeled, unlabeled, evaluation, held_out)


def _renumbered(model_config: Any, labeled: datasets.Dataset, label_column: str) -> list[str] | None:
    """The classes of a `ClassLabel` whose numbers mean other classes than the model's."""
    own, feature = own_names(model_config), labeled.features[label_column]
    if own is None or not isinstance(feature, datasets.ClassLabel) or feature.names == own:
        return None
    return feature.names if {*feature.names} & {*own} else None

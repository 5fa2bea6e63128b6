"""Held-out data: what they are checked with at construction of a trainer, and when it is given more of them later."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import datasets
import pyarrow as pa
import pyarrow.compute as pc

from ..data.class_names import are_defaults, format_names, ids_by_name, names_in, own_names
from ..data.columns import column_batches
from ..data.quality import DataQuality, label_findings
from ..data.validation import InputCheck, check_eval, check_unlabeled
from ..errors import UserError


if TYPE_CHECKING:
    from ..config import SSLConfig
    from ..modalities import Modality


__all__ = ["HeldOutCheck", "as_python", "input_check"]


@dataclass(frozen=True)
class HeldOutCheck:
    """What held-out data are checked with: at construction of a trainer, and when ``evaluate`` is given some.

    Args:
        model_config: of the model.
        args: of the run.
        modality: of the model.
        quality: of the training data, which held-out data are compared with.
        renumbered: names of the classes in the order of the training labels, where the model has another.
    """

    model_config: Any
    args: SSLConfig
    modality: Modality
    quality: DataQuality
    renumbered: list[str] | None

    def labeled(self, dataset: Any, argument: str = "eval_dataset") -> Any:
        """Check one held-out data set, and give its labels the model's ids. What is none is returned as it is.

        Raises:
            UserError: the first thing that cannot work; with ``data_check="strict"`` rows that training sees.
        """
        checked = self._with_ids(dataset, argument)
        findings = label_findings(dataset, self.args.label_column, argument)
        self.quality.report(findings + self._identified_by_number(dataset, argument))
        self.quality.check_evaluation({argument: checked})
        return checked

    def test(self, dataset: datasets.Dataset) -> datasets.Dataset:
        """Check data to predict for: as held-out data if they have labels, else their inputs.

        A column in which every label is missing, or -1, is dropped.

        Raises:
            UserError: the first thing that cannot work.
        """
        column = self.args.label_column
        if column in dataset.column_names and not _has_no_label(dataset, column):
            return self.labeled(dataset, "test_dataset")
        check = input_check(self.modality, self.args)
        checked = check_unlabeled(
            dataset, self.modality.column(self.args), argument="test_dataset", check_inputs=check
        )
        return as_python(checked.remove_columns(column) if column in checked.column_names else checked)

    def _identified_by_number(self, dataset: datasets.Dataset, argument: str) -> list[str]:
        """Names that nobody could compare: training knows numbers alone."""
        feature = dataset.features[self.args.label_column]
        if own_names(self.model_config) is not None or not isinstance(feature, datasets.ClassLabel):
            return []
        if are_defaults(feature.names) or feature.names == [str(i) for i in range(len(feature.names))]:
            return []
        return [
            f"{argument}: its classes have names, those of train_dataset and the model have none: they are taken in "
            f"the order {format_names(feature.names)}"
        ]

    def _with_ids(self, dataset: datasets.Dataset, argument: str) -> datasets.Dataset:
        args, config = self.args, self.model_config
        columns, check = (self.modality.column(args), args.label_column), input_check(self.modality, args)
        known = (config.num_labels, ids_by_name(config))
        checked = check_eval(dataset, *columns, *known, argument=argument, check_inputs=check)
        if self.renumbered is not None and names_in(dataset, args.label_column, argument) is None:
            raise UserError(
                f"{argument}: column {args.label_column!r} holds numbers, which may be those of train_dataset "
                f"({format_names(self.renumbered)}) or of the model ({format_names(list(known[1]))}); expected names"
            )
        return as_python(checked)


def input_check(modality: Modality, args: SSLConfig) -> InputCheck:
    """The check of a modality, as the checks of labels take it."""
    return lambda dataset, _, argument: modality.check_inputs(dataset, args, argument)


def as_python(dataset: datasets.Dataset) -> datasets.Dataset:
    """All columns as Python values: a format such as ``"torch"`` may hide some, as ``set_format`` does."""
    return dataset if dataset.format["type"] == "custom" else dataset.with_format(None)


def _has_no_label(dataset: datasets.Dataset, column: str) -> bool:
    for _, labels in column_batches(dataset, column):
        unknown = pc.is_null(labels)
        if pa.types.is_integer(labels.type):
            unknown = pc.or_(unknown, pc.equal(pc.fill_null(labels, -1), -1))
        if not pc.all(unknown).as_py():
            return False
    return True

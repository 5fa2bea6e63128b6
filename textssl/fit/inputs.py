"""A person's data, checked before anything long, and made what candidates are trained on."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..data.class_names import format_names, label_ids, names_in
from ..data.columns import check_column, label_column_of
from ..data.quality import DataQuality, label_findings
from ..data.row_keys import DistinctRows, blank_rows, first_rows
from ..data.validation import check_texts
from ..errors import UserError
from ..modalities.image.validation import check_images


__all__ = ["Inputs", "check_inputs", "check_names", "class_labels"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Inputs:
    """Data that passed the checks.

    Attributes:
        label_names: the classes.
        labels: class number of each labeled example, int64 ``[N]``.
        labeled: N examples, the column of inputs alone.
        unlabeled: M examples, the column of inputs alone; ``None`` where there are none.
        column: of the inputs.
        modality: ``"text"`` or ``"image"``.
    """

    label_names: tuple[str, ...]
    labels: np.ndarray
    labeled: datasets.Dataset
    unlabeled: datasets.Dataset | None
    column: str
    modality: str


def check_inputs(
    labeled: datasets.Dataset,
    unlabeled: datasets.Dataset | None,
    column: str,
    label_column: str,
    modality: str,
    label_names: Sequence[str] | None = None,
    described: Sequence[str] = (),
) -> Inputs:
    """Check labeled and unlabeled examples.

    Args:
        labeled: N > 0 rows.
        unlabeled: M rows, whose labels are not looked at.
        column: of texts or images.
        label_column: of integers, strings, booleans or a ``ClassLabel``.
        modality: ``"text"`` or ``"image"``.
        label_names: the classes in their order; by default those of the labels.
        described: names of classes that something describes: they need no label.

    Raises:
        UserError: no data set, no such column, an input that is missing or no text or image, a labeled text that is
            blank, a label that is missing or not among ``label_names``, one class alone, a class without a label or
            a description.
    """
    check: Callable[[datasets.Dataset, str, str], datasets.Dataset]
    check = check_texts if modality == "text" else partial(check_images, skip_corrupt=None)
    _check_rows(labeled, "labeled")
    labeled = check(labeled, column, "labeled")
    names, labels = class_labels(labeled, label_column, label_names)
    _check_classes(labels, names, described)
    if unlabeled is not None:
        unlabeled = _unlabeled(unlabeled, column, check)
    kind = labeled.select_columns([column]).features
    if unlabeled is not None and unlabeled.features != kind:
        # Of strings Arrow has two kinds, which do not go into one column.
        unlabeled = unlabeled.cast(kind)
    numbered = labeled.select_columns([column]).add_column(label_column, pa.array(labels))
    quality = DataQuality([column], label_column, "warn", label_names=names)
    quality.report(label_findings(labeled, label_column, "labeled"))
    quality.check_training(("labeled", numbered), None)
    if unlabeled is not None:
        _warn_of_shared_rows(numbered, unlabeled, column)
    return Inputs(tuple(names), labels, labeled.select_columns([column]), unlabeled, column, modality)


def _check_rows(dataset: Any, argument: str) -> None:
    if not isinstance(dataset, datasets.Dataset):
        raise UserError(
            f"{argument}: got {type(dataset).__name__}; expected a datasets.Dataset (a list of dicts becomes one by "
            "datasets.Dataset.from_list)"
        )
    if not len(dataset):
        raise UserError(f"{argument}: got no rows; expected at least one")


def class_labels(
    labeled: datasets.Dataset, column: str, label_names: Sequence[str] | None = None
) -> tuple[list[str], np.ndarray]:
    """Names of the classes, and class numbers int64 ``[N]``.

    Args:
        labeled: N > 0 rows.
        column: of labels.
        label_names: the classes in their order; by default those of the labels.

    Raises:
        UserError: a label that is missing or not among ``label_names``.
    """
    check_column(labeled, column, "labeled", "label_column")
    _check_nan(labeled, column)
    if label_names is not None:
        names = check_names(label_names)
        return names, _known_labels(labeled, column, names)
    found_names = names_in(labeled, column, "labeled")
    if found_names is None:
        numbers = label_column_of(labeled, column, "labeled")
        found = np.unique(numbers.to_numpy())
        if (found == -1).any():
            raise UserError(
                f"labeled: a label of column {column!r} is -1, a class or no label; give a class a name, and leave "
                "the label of an unlabeled row empty"
            )
        names = [str(number) for number in found]
        return names, np.searchsorted(found, numbers.to_numpy()).astype(np.int64)
    return found_names, _known_labels(labeled, column, found_names)


def _known_labels(labeled: datasets.Dataset, column: str, names: Sequence[str]) -> np.ndarray:
    return label_ids(labeled, column, len(names), {name: i for i, name in enumerate(names)}, "labeled")


def check_names(label_names: Sequence[str]) -> list[str]:
    """The names of the classes as a list.

    Raises:
        UserError: fewer than two, a name that stands twice, that is blank or no string.
    """
    names = label_names if isinstance(label_names, str) else list(label_names)
    texts = not isinstance(names, str) and all(isinstance(name, str) and name.strip() for name in names)
    if isinstance(names, str) or not texts or len({name.strip() for name in names}) < max(2, len(names)):
        raise UserError(f"label_names: got {names!r:.80}; expected two different names or more")
    return [name.strip() for name in names]


def _check_nan(labeled: datasets.Dataset, column: str) -> None:
    """Numbers of a table with gaps are fractions, and a gap is nan."""
    values = labeled.with_format("arrow")[column][:]
    if isinstance(values, pa.ChunkedArray | pa.Array) and pa.types.is_floating(values.type):
        absent = pc.is_nan(values.cast(pa.float64())).fill_null(True)
        if pc.any(absent).as_py():
            row = pc.index(absent, True).as_py()
            raise UserError(
                f"labeled: column {column!r} has no label in {pc.sum(absent).as_py()} of {len(labeled)} rows; the "
                f"first is row {row}. Rows without a label belong in unlabeled"
            )


def _check_classes(labels: np.ndarray, names: Sequence[str], described: Sequence[str]) -> None:
    counts = np.bincount(labels, minlength=len(names))
    missing = [name for name, count in zip(names, counts, strict=True) if not count and name not in described]
    if (counts > 0).sum() < 2 and len(names) - len(missing) < 2:
        raise UserError(
            f"labeled: all {len(labels):,} labels are {names[int(labels[0])]!r}; expected two classes or more"
        )
    if missing:
        raise UserError(
            f"labeled: got {len(labels):,} labels for {len(names)} classes; there is none of {format_names(missing)}. "
            "Each class needs one label or, by label_descriptions, a description"
        )


def _warn_of_shared_rows(labeled: datasets.Dataset, unlabeled: datasets.Dataset, column: str) -> None:
    """Unlabeled examples that are labeled ones too are harmless: what a fold holds out are labels, not texts."""
    rows = DistinctRows.of(labeled, [column])
    if rows.blind:
        return
    shared = (first_rows(rows.distinct, unlabeled, [column])[rows.codes] >= 0).sum()
    if shared:
        logger.warning(
            "unlabeled: it holds %s of the %s labeled examples too, which is harmless: their labels are not in it.",
            f"{shared:,}",
            f"{len(labeled):,}",
        )


def _unlabeled(
    unlabeled: datasets.Dataset, column: str, check: Callable[[datasets.Dataset, str, str], datasets.Dataset]
) -> datasets.Dataset | None:
    """The unlabeled examples without blank texts; ``None`` where there are none."""
    if isinstance(unlabeled, datasets.Dataset) and not len(unlabeled):
        return None
    _check_rows(unlabeled, "unlabeled")
    unlabeled = check(unlabeled, column, "unlabeled").select_columns([column])
    blank = blank_rows(unlabeled, [column])
    if len(blank):
        logger.warning("unlabeled: %s of %s texts are blank and are left out.", len(blank), len(unlabeled))
        unlabeled = unlabeled.select(np.setdiff1d(np.arange(len(unlabeled)), blank))
    return unlabeled if len(unlabeled) else None

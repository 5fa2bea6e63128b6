"""A person's labeled, unlabeled and held-out data, of any kind, as data sets with the same column of inputs."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

import datasets
import numpy as np

from ..errors import UserError
from ..own_data import OwnData, read_own_data
from ..own_data.reading import spoken_name


__all__ = ["Columns", "FitParts", "read_parts"]

# Splits of a data set of the Hub.
LABELED, UNLABELED, TEST = ("train",), ("unsupervised", "unlabeled", "train"), ("test",)


@dataclass(frozen=True)
class Columns:
    """Names of columns that a person gave; ``None`` where they are to be found."""

    text: str | None = None
    image: str | None = None
    label: str | None = None


@dataclass(frozen=True)
class FitParts:
    """Data of a choice among classifiers.

    Attributes:
        modality: ``"text"`` or ``"image"``.
        column: of texts or images, in all parts.
        label_column: of labels, in those that have some.
        labeled: rows with a label; ``None`` where no row has one.
        unlabeled: rows without a label; ``None`` where there are none.
        test: held-out rows with a label, or ``None``.
        notes: what was chosen for a person, in words.
        unlabeled_source: the unlabeled rows with further columns of a person, for what is written for that person.
    """

    modality: str
    column: str
    label_column: str
    labeled: datasets.Dataset | None
    unlabeled: datasets.Dataset | None
    test: datasets.Dataset | None
    notes: tuple[str, ...]
    unlabeled_source: datasets.Dataset | None = None


def read_parts(
    labeled: Any,
    unlabeled: Any = None,
    test: Any = None,
    columns: Columns = Columns(),
    *,
    named: bool = False,
    arguments: tuple[str, str, str] = ("labeled", "unlabeled", "test"),
) -> FitParts:
    """Read all parts; rows of ``labeled`` without a label are unlabeled examples.

    Args:
        labeled: anything that :func:`textssl.own_data.read_own_data` takes.
        unlabeled: likewise, or ``None``.
        test: likewise, or ``None``.
        columns: names that a person gave.
        named: whether classes are named, so that no row needs a label.
        arguments: what messages call the parts.

    Raises:
        UserError: data that cannot be read, columns that cannot be told, no label where one is needed, images beside
            texts.
    """
    first = _read(labeled, arguments[0], columns, LABELED, labeled=True)
    notes, has_label = [*first.notes, *first.odd_labels()], first.has_label()
    label_column = first.label_column or columns.label or "label"
    if not has_label.any() and not named:
        raise _no_labels(first, arguments[0])
    parts = []
    if not has_label.all():
        parts.append(first.take(np.flatnonzero(~has_label)))
        if has_label.any():
            notes.append(
                f"{first.name}: {(~has_label).sum():,} of {len(has_label):,} rows have no label and are unlabeled "
                "examples"
            )
    if unlabeled is not None:
        other = _like(unlabeled, arguments[1], first, columns, UNLABELED, labeled=False)
        if other.label_column is not None:
            notes.append(f"{other.name}: the column {other.label_column!r} is not used")
        notes += other.notes
        parts.append(other)
    held_out = None
    if test is not None:
        held_out, found = _held_out(test, arguments[2], first, columns, label_column)
        notes += found
    known = first.rows if has_label.all() else first.rows.select(np.flatnonzero(has_label))
    return FitParts(
        modality=first.modality,
        column=first.column,
        label_column=label_column,
        labeled=known.select_columns([first.column, label_column]) if has_label.any() else None,
        unlabeled=_joined(parts, first.column),
        test=held_out,
        notes=tuple(dict.fromkeys(notes)),
        unlabeled_source=_source(parts),
    )


def _read(data: Any, argument: str, columns: Columns, splits: tuple[str, ...], *, labeled: bool) -> OwnData:
    found = read_own_data(
        data,
        argument,
        text_column=columns.text,
        image_column=columns.image,
        label_column=columns.label if labeled else None,
        splits=splits,
        labeled=labeled,
    )
    return found.without_blank_texts(argument)


def _like(
    data: Any, argument: str, first: OwnData, columns: Columns, splits: tuple[str, ...], *, labeled: bool
) -> OwnData:
    """Another part, its column of inputs called as that of the first.

    Raises:
        UserError: images beside texts.
    """
    found = _read(data, argument, columns, splits, labeled=labeled)
    if first.column in found.rows.column_names and first.column != found.column:
        given = {first.modality: first.column}
        found = _read(data, argument, replace(columns, **given), splits, labeled=labeled)
    if found.modality != first.modality:
        where = spoken_name(argument, found.name)
        raise UserError(f"{where} holds {found.modality}s, and {first.name} {first.modality}s")
    if found.column == first.column:
        return found
    rows = found.rows.rename_column(found.column, first.column)
    return replace(found, rows=rows, column=first.column)


def _held_out(
    data: Any, argument: str, first: OwnData, columns: Columns, label_column: str
) -> tuple[datasets.Dataset, list[str]]:
    """Held-out rows with a label, and notes."""
    found = _like(data, argument, first, columns, TEST, labeled=True)
    if label_column in found.rows.column_names:
        found = replace(found, label_column=label_column)
    has_label, notes = found.has_label(), list(found.notes)
    if not has_label.any():
        raise _no_labels(found, argument)
    if not has_label.all():
        notes.append(f"{found.name}: {(~has_label).sum():,} rows have no label and are not evaluated")
    rows = found.rows.select(np.flatnonzero(has_label)).select_columns([first.column, str(found.label_column)])
    if found.label_column != label_column:
        rows = rows.rename_column(str(found.label_column), label_column)
    return rows, notes


def _joined(parts: Collection[OwnData], column: str) -> datasets.Dataset | None:
    rows = [part.rows.select_columns([column]) for part in parts]
    if len(rows) < 2:
        return rows[0] if rows else None
    return datasets.concatenate_datasets([rows[0], *(part.cast(rows[0].features) for part in rows[1:])])


def _source(parts: Sequence[OwnData]) -> datasets.Dataset | None:
    """The unlabeled rows with the columns that all parts have alike."""
    if not parts:
        return None
    first = parts[0].rows
    alike = [n for n in first.column_names if all(p.rows.features.get(n) == first.features[n] for p in parts)]
    rows = [part.rows.select_columns(alike) for part in parts]
    return rows[0] if len(rows) == 1 else datasets.concatenate_datasets(rows)


def _no_labels(found: OwnData, argument: str) -> UserError:
    where = spoken_name(argument, found.name)
    if found.label_column is None:
        return UserError(
            f"{where}: no column of labels (label_column); its columns are "
            f"{found.rows.column_names}. Without labels, the classes can be given by label_names"
        )
    return UserError(f"{where}: no row has a label in column {found.label_column!r}")

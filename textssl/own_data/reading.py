"""A person's own data, of any kind, as rows with a column of inputs and perhaps one of labels."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from datasets import ClassLabel, Dataset

from ..data.class_names import folded
from ..data.columns import is_string
from ..data.tables import read_table
from ..data.text_files import suffix_of
from ..errors import UserError
from ..modalities.image.folder import as_images, is_image_folder, load_images
from .columns import choose_columns
from .header import without_header
from .in_memory import as_dataset
from .places import hub_dataset, inner_place, is_hub_name


__all__ = ["MAYBE_NO_LABEL", "OwnData", "read_own_data", "spoken_name"]

WITH_HEADER = (".csv", ".tsv")
# What a class is hardly called, but what programs write where a label is missing.
NO_LABEL = ("", "nan")
# What may stand for a missing label, and may be a class.
MAYBE_NO_LABEL = ("na", "n/a", "<na>", "none", "null", "?", "-", "unlabeled", "unlabelled")


@dataclass(frozen=True)
class OwnData:
    """Rows that were read.

    Attributes:
        name: of the data, for a person.
        rows: N > 0 rows with all their columns.
        modality: ``"text"`` or ``"image"``.
        column: of texts or images.
        label_column: of labels; ``None`` where there is none.
        notes: what was chosen for a person, in words.
    """

    name: str
    rows: Dataset
    modality: str
    column: str
    label_column: str | None
    notes: tuple[str, ...] = ()

    def take(self, rows: np.ndarray | Sequence[int]) -> OwnData:
        """Some of the rows, in that order."""
        return replace(self, rows=self.rows.select(rows), notes=())

    def has_label(self) -> np.ndarray:
        """Which rows have a label, bool ``[N]``: one that is no null, blank or nan, nor -1 of a ``ClassLabel``."""
        if self.label_column is None:
            return np.zeros(len(self.rows), bool)
        labels = self.rows.select_columns([self.label_column]).with_format("arrow")[:][self.label_column]
        absent = pc.is_null(labels, nan_is_null=True)
        if is_string(labels.type):
            written = pc.utf8_lower(pc.utf8_trim_whitespace(labels))
            absent = pc.or_kleene(absent, pc.is_in(written, value_set=pa.array(NO_LABEL, labels.type)))
        elif isinstance(self.rows.features[self.label_column], ClassLabel):
            absent = pc.or_kleene(absent, pc.equal(labels, -1))
        return ~np.asarray(absent)

    def odd_labels(self) -> tuple[str, ...]:
        """A note on each class whose name may stand for a missing label."""
        if self.label_column is None or not is_string(self.rows.features.arrow_schema.field(self.label_column).type):
            return ()
        labels = self.rows.select_columns([self.label_column]).with_format("arrow")[:][self.label_column]
        counted = pc.value_counts(pc.utf8_trim_whitespace(labels.drop_null())).to_pylist()
        return tuple(
            f"{self.name}: the label {found['values']!r} of {found['counts']:,} rows is taken as a class; leave the "
            "field empty where there is no label"
            for found in counted
            if folded(found["values"]) in MAYBE_NO_LABEL
        )

    def without_blank_texts(self, argument: str) -> OwnData:
        """The rows that have a text, with a note where some have none.

        Args:
            argument: what messages call the data.

        Raises:
            UserError: no row has one.
        """
        texts = self.rows.select_columns([self.column]).with_format("arrow")[:][self.column]
        if self.modality != "text" or not is_string(texts.type):
            return self
        blank = np.asarray(pc.fill_null(pc.equal(pc.utf8_trim_whitespace(texts), ""), True))
        if not blank.any():
            return self
        if blank.all():
            raise UserError(f"{spoken_name(argument, self.name)}: no row has a text in column {self.column!r}")
        note = (
            f"{self.name}: {blank.sum():,} of {len(blank):,} rows have no text and are left out; the first is row "
            f"{int(np.argmax(blank))}"
        )
        return replace(self, rows=self.rows.select(np.flatnonzero(~blank)), notes=(*self.notes, note))


def read_own_data(
    data: Any,
    argument: str,
    *,
    text_column: str | None = None,
    image_column: str | None = None,
    label_column: str | None = None,
    splits: Sequence[str] = ("train",),
    labeled: bool = True,
) -> OwnData:
    """Read data of any kind and find their columns.

    Args:
        data: a file, a folder, ``owner/name`` of the Hub; a DataFrame, a data set, a list of texts, of
            (text, label) or of dicts.
        argument: what messages call it.
        text_column: of texts; by default it is found, see :func:`textssl.own_data.columns.choose_columns`.
        image_column: of images; likewise.
        label_column: of labels; likewise.
        splits: of a data set of the Hub, the first that there is.
        labeled: whether the folders of a folder of images are classes.

    Raises:
        UserError: what is missing, empty, broken or of an unknown kind, or columns that cannot be told.
    """
    notes: tuple[str, ...] = ()
    if not isinstance(data, str | os.PathLike):
        name, rows, place = argument, as_dataset(data, argument), Path("memory")
    elif is_hub_name(str(data)):
        place = Path(data)
        rows, split = hub_dataset(str(data), splits, argument)
        name = f"{str(data).partition(':')[0]}:{split}"
    else:
        place = inner_place(Path(data), splits, argument)
        name = str(place)
        if is_image_folder(place):
            return _image_folder(place, argument, labeled)
        rows, notes = _file(place, text_column, argument)
    if not len(rows):
        raise UserError(f"{argument}: {name} holds no rows")
    chosen = choose_columns(rows, spoken_name(argument, name), text_column, image_column, label_column)
    if chosen.modality == "image":
        rows = as_images(rows, chosen.inputs, place)
    notes = (*notes, *(f"{name}: {note}" for note in chosen.notes))
    return OwnData(name, rows, chosen.modality, chosen.inputs, chosen.label, notes)


def spoken_name(argument: str, name: str) -> str:
    """What messages call data: the argument, and the file where there is one."""
    return argument if argument == name else f"{argument}: {name}"


def _image_folder(folder: Path, argument: str, labeled: bool) -> OwnData:
    try:
        rows = load_images(folder, label_column="label" if labeled else None)
    except UserError as error:
        raise UserError(f"{argument}: {str(error).removeprefix('path: ')}") from error
    return OwnData(str(folder), rows, "image", "image", "label" if labeled else None)


def _file(path: Path, text_column: str | None, argument: str) -> tuple[Dataset, tuple[str, ...]]:
    try:
        rows = read_table(path, text_column or "text")
    except UserError as error:
        raise UserError(f"{argument}: {str(error).removeprefix('path: ')}") from error
    if path.is_dir() or suffix_of(path) not in WITH_HEADER or text_column is not None:
        return rows, ()
    whole = without_header(rows)
    if whole is None:
        return rows, ()
    names = " and ".join(map(repr, whole.column_names))
    return whole, (f"{path}: the first line is taken as a row, not as a header; the columns are called {names}",)

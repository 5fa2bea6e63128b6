"""The data of one part, as a person's file has them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from datasets import ClassLabel

from ..fit.parts import Columns
from ..own_data import OwnData, read_own_data
from .finding import Example
from .lines import lines_of_rows


__all__ = ["Part", "read_part"]

# Rows that a finding shows.
SHOWN = 3


@dataclass(frozen=True)
class Part:
    """Rows of a file.

    Attributes:
        name: ``"labeled"``, ``"unlabeled"``, ``"validation"`` or ``"test"``.
        data: what was read.
        lines: of the file, one for each row; ``None`` where rows have none.
    """

    name: str
    data: OwnData
    lines: np.ndarray | None

    def __len__(self) -> int:
        return len(self.data.rows)

    @cached_property
    def texts(self) -> list[str | None]:
        """What each row holds; of images the names of their files."""
        if self.data.modality == "image":
            return [self._image_name(row) for row in range(len(self))]
        values = self.data.rows.select_columns([self.data.column]).with_format("arrow")[:][self.data.column]
        return [value if value is None or isinstance(value, str) else str(value) for value in values.to_pylist()]

    @cached_property
    def has_label(self) -> np.ndarray:
        """Which rows have a label, bool ``[N]``."""
        return self.data.has_label()

    @cached_property
    def written_labels(self) -> list[Any]:
        """Labels as they are written; of a ``ClassLabel`` the names; ``None`` for rows without one."""
        return [value if there else None for value, there in zip(self.stored_labels, self.has_label, strict=True)]

    @cached_property
    def stored_labels(self) -> list[Any]:
        """The same with what stands for no label, such as the word ``nan``."""
        column = self.data.label_column
        if column is None:
            return [None] * len(self)
        values = self.data.rows.select_columns([column]).with_format("arrow")[:][column].to_pylist()
        feature = self.data.rows.features[column]
        if isinstance(feature, ClassLabel) and feature.names:
            values = [None if value is None or value < 0 else feature.names[value] for value in values]
        return list(values)

    @cached_property
    def labels(self) -> list[str | None]:
        """Labels as training reads them: without the space around them."""
        return [None if label is None else _name(label) for label in self.written_labels]

    def examples(self, rows: Iterable[int]) -> tuple[Example, ...]:
        """The first of some rows, to be shown."""
        return tuple(self._example(int(row)) for _, row in zip(range(SHOWN), rows, strict=False))

    def _example(self, row: int) -> Example:
        line = None if self.lines is None else int(self.lines[row])
        label = self.written_labels[row]
        return Example(self.name, row, line, self.texts[row] or "", None if label is None else str(label))

    def _image_name(self, row: int) -> str:
        column = self.data.column
        stored = self.data.rows.select_columns([column]).with_format("arrow")[row : row + 1][column].to_pylist()[0]
        path = stored.get("path") if isinstance(stored, dict) else None
        return str(path) if path else f"image {row}"


def read_part(name: str, data: Any, columns: Columns, first: Part | None = None) -> Part:
    """Read one part as ``textssl fit`` reads it, but with all of its rows.

    Args:
        name: of the part, which messages use.
        data: a file, a folder, or what else :func:`textssl.own_data.read_own_data` takes.
        columns: that a person named.
        first: the labeled part, whose columns a file that has them is read by.

    Raises:
        UserError: data that cannot be read, or columns that cannot be told.
    """
    labeled = name != "unlabeled"
    found = _read(name, data, columns, labeled)
    if first is not None and found.column != first.data.column and first.data.column in found.rows.column_names:
        known = {first.data.modality: first.data.column}
        found = _read(name, data, Columns(label=columns.label, **known), labeled)
    lines = lines_of_rows(Path(data), len(found.rows), found.column) if isinstance(data, str | Path) else None
    return Part(name, found, lines)


def _read(name: str, data: Any, columns: Columns, labeled: bool) -> OwnData:
    return read_own_data(
        data,
        name,
        text_column=columns.text,
        image_column=columns.image,
        label_column=columns.label if labeled else None,
        splits=("test", "train") if name == "test" else ("train",),
        labeled=labeled,
    )


def _name(label: Any) -> str:
    if isinstance(label, float) and label.is_integer():
        return str(int(label))
    return str(label).strip()

"""The texts of a person's file, and which of its rows have none."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from datasets import Dataset

from ..data.columns import check_column, is_string
from ..data.tables import read_table
from ..errors import UserError


__all__ = ["TextRows", "read_text_rows"]


@dataclass(frozen=True)
class TextRows:
    """The rows of a file as they are.

    Attributes:
        dataset: N rows with all their columns; those of CSV and TSV are strings.
        path: of the file.
        columns: of the texts: one, or two of pairs.
        blank: [N] whether a row lacks a text: it is missing, empty or white space.
    """

    dataset: Dataset
    path: Path
    columns: tuple[str, ...]
    blank: np.ndarray

    @property
    def spoken(self) -> np.ndarray:
        """[M] the numbers of the rows that have their texts."""
        return np.flatnonzero(~self.blank)

    def texts(self) -> Dataset:
        """The columns of texts alone, of the M rows that have them."""
        return self.dataset.select_columns(list(self.columns)).select(self.spoken)


def read_text_rows(path: str | os.PathLike[str], text_column: str, text_pair_column: str | None = None) -> TextRows:
    """Read a file of any kind that :func:`textssl.data.tables.load_table` reads, blank texts included.

    Raises:
        UserError: no such file, one that cannot be read, without the column, or without any text.
    """
    location = Path(path)
    dataset = read_table(location, text_column, text_pair_column, as_text=True)
    columns = (text_column,) if text_pair_column is None else (text_column, text_pair_column)
    blank = np.zeros(len(dataset), bool)
    for column, setting in zip(columns, ("text_column", "text_pair_column"), strict=False):
        check_column(dataset, column, str(location), setting)
        blank |= _blank(dataset, column, location)
    if blank.all():
        raise UserError(f"{location}: column {text_column!r} has no text in any of its {len(dataset)} rows")
    return TextRows(dataset, location, columns, blank)


def _blank(dataset: Dataset, column: str, path: Path) -> np.ndarray:
    values = dataset.select_columns([column]).with_format("arrow")[:].column(column)
    if pa.types.is_null(values.type):
        return np.ones(len(dataset), bool)
    if not is_string(values.type):
        raise UserError(f"{path}: column {column!r} holds {values.type}, not strings; name another by text_column")
    texts = pc.fill_null(values, "")
    return np.asarray(pc.equal(pc.utf8_trim_whitespace(texts), "").to_numpy(), bool)

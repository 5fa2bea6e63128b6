"""The texts of a person's file, and which of its rows have none."""

from __future__ import annotations

import logging
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
from ..notices import warn_once
from ..own_data.columns import choose_columns
from ..own_data.opening import open_rows


__all__ = ["TextRows", "find_text_column", "read_text_rows"]

logger = logging.getLogger(__name__)


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


def find_text_column(path: str | os.PathLike[str], text_column: str | None = None, trained: str | None = None) -> str:
    """The column of texts of a file: the one that a person named, that of a training, or the only one that fits.

    Args:
        path: the file.
        text_column: that a person named.
        trained: that a model was trained on; taken where the file has it.

    Raises:
        UserError: no such file, or it cannot be told which column.
    """
    if text_column is not None:
        return text_column
    head = open_rows(str(path)).head
    if trained in head.column_names:
        return str(trained)
    chosen = choose_columns(head, str(path))
    if chosen.modality != "text":
        raise UserError(f"{path}: it holds {chosen.modality}s in column {chosen.inputs!r}; expected texts")
    for note in chosen.notes[:1] if chosen.inputs != "text" else ():
        warn_once(logger, f"{path}: {note}")
    return chosen.inputs


def read_text_rows(
    path: str | os.PathLike[str],
    text_column: str | None = None,
    text_pair_column: str | None = None,
    trained: str | None = None,
) -> TextRows:
    """Read a file of any kind that :func:`textssl.data.tables.load_table` reads, blank texts included.

    Args:
        path: the file.
        text_column: of texts; by default it is found, see :func:`find_text_column`.
        text_pair_column: of second texts.
        trained: as for :func:`find_text_column`.

    Raises:
        UserError: no such file, one that cannot be read, without the column, or without any text.
    """
    location = Path(path)
    text_column = find_text_column(path, text_column, trained)
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

"""A window of rows with the predictions for them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image

from ..augment.image.pixels import changed_share
from ..data.tables import table_to_dataset
from ..errors import UserError
from ..modalities.image.folder import as_images
from ..modalities.image.validation import CHANGED, DEEP, REMEDY
from ..notices import warn_once
from ..own_data.streams import Window
from .predictor import Predictor


__all__ = ["Labeled", "label_window"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Labeled:
    """Predictions for n rows.

    Attributes:
        probs: ``[n, C]``; nan for rows that have nothing to classify.
        empty: rows without a text, or without an image that can be read ``[n]``.
    """

    probs: np.ndarray
    empty: np.ndarray

    def labels(self, names: Sequence[str]) -> list[str | None]:
        """The name of the most probable class of each row; ``None`` for those without."""
        numbers = np.where(self.empty[:, None], 0, self.probs).argmax(1)
        return [
            None if empty else names[number]
            for number, empty in zip(numbers.tolist(), self.empty.tolist(), strict=True)
        ]

    @property
    def confidence(self) -> np.ndarray:
        """The probability of that class ``[n]``."""
        highest: np.ndarray = self.probs.max(1)
        return highest


def label_window(
    classifier: Predictor,
    window: Window,
    columns: Sequence[str],
    start: int,
    folder: Path,
    on_batch: Callable[[int], object] | None = None,
) -> Labeled:
    """Predict for the rows of a window.

    Args:
        classifier: what predicts.
        window: n rows.
        columns: that it reads.
        start: number of the first row, for messages.
        folder: that paths of images are relative to.
        on_batch: called after each batch with the number of its rows.

    Raises:
        UserError: a value of another kind, with its row.
    """
    inputs = _inputs(classifier, window, columns, start, folder)
    empty = np.array([value is None for value in inputs], dtype=bool)
    probs = np.full((len(inputs), len(classifier.label_names)), np.nan)
    if not empty.all():
        probs[~empty] = classifier.predict_proba([value for value in inputs if value is not None], on_batch)
    if on_batch is not None and empty.any():
        on_batch(int(empty.sum()))
    return Labeled(probs, empty)


def _inputs(classifier: Predictor, window: Window, columns: Sequence[str], start: int, folder: Path) -> list[Any]:
    """What the classifier takes of each row, ``None`` of one without."""
    if classifier.modality == "image":
        return _images(window, columns[0], folder)
    values = [_values(window, column) for column in columns]
    if classifier.modality == "features":
        return values[0]
    for column, own in zip(columns, values, strict=True):
        for row, value in enumerate(own, start):
            if not isinstance(value, str | None):
                raise UserError(f"file: column {column!r} has {value!r:.40} in row {row}; expected a text")
    if len(values) == 1:
        return [text if text is not None and text.strip() else None for text in values[0]]
    both = zip(*values, strict=True)
    return [pair if None not in pair and any(text.strip() for text in pair) else None for pair in both]


def _values(window: Window, column: str) -> list[Any]:
    if isinstance(window, list):
        # Not a number is how some programs write what is missing.
        return [None if value != value else value for value in (row.get(column) for row in window)]
    values: list[Any] = window.column(column).to_pylist()
    return values


def _images(window: Window, column: str, folder: Path) -> list[Any]:
    table = pa.table({column: _values(window, column)}) if isinstance(window, list) else window.select([column])
    # Paths are relative to the folder of a table, which this name stands for.
    dataset = as_images(table_to_dataset(table), column, folder / "table")
    found = []
    for row in range(len(dataset)):
        try:
            image = dataset[row][column]
            found.append(None if image is None else _loaded(image))
        except Exception:  # a broken file has more kinds of failure than can be listed
            found.append(None)
    return found


def _loaded(image: Image.Image) -> Image.Image | None:
    """The image; ``None`` of one that training refuses, for it would be cut off at 255."""
    image.load()
    if changed_share(image) <= CHANGED:
        return image
    warn_once(logger, f"file: images {DEEP}; their label is empty. {REMEDY}")
    return None

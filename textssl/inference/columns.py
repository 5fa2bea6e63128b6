"""Which columns a classifier reads of a table, and what the new ones are called."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from datasets import Dataset

from ..data.columns import is_string
from ..data.predicted_columns import CONFIDENCE, LABEL, PROBABILITY, check_new_columns, predicted_name
from ..data.tables import table_to_dataset
from ..errors import UserError
from ..own_data.columns import choose_columns
from ..own_data.csv_streams import CsvStream
from ..own_data.streams import RowStream
from .predictor import Predictor


__all__ = ["InputColumns", "NewColumns", "input_columns", "new_columns"]

SETTINGS = {"text": "text_column", "image": "image_column", "features": "feature_column"}


@dataclass(frozen=True)
class InputColumns:
    """What is read.

    Attributes:
        names: one column, or both of pairs.
        note: which, and why, for a person.
    """

    names: tuple[str, ...]
    note: str


def input_columns(
    classifier: Predictor, rows: RowStream, column: str | None = None, pair_column: str | None = None
) -> InputColumns:
    """Find the columns that a classifier reads: those that a person named, those of its training, or the only ones.

    Args:
        classifier: says what it reads.
        rows: the table.
        column: that a person named.
        pair_column: of the second texts of pairs; likewise.

    Raises:
        UserError: no such column, or it cannot be told which one.
    """
    names = rows.head.column_names
    for flag, given in (("column", column), ("pair_column", pair_column)):
        if given is not None and given not in names:
            raise UserError(f"{flag}: got {given!r}; the columns of {rows.name} are {', '.join(map(repr, names))}")
    settings = classifier.place.settings
    if pair_column is not None and not classifier.pairs:
        raise UserError(f"pair_column: got {pair_column!r}, and the model reads single texts")
    trained = settings.get(SETTINGS[classifier.modality])
    first, why = column, "as you said"
    if first is None and trained in names:
        first, why = trained, "as in training"
    if first is None:
        first, why = _only(classifier, rows), "the only one that fits"
    found = [str(first)]
    if classifier.pairs:
        found.append(_second(rows, str(first), pair_column or settings.get("text_pair_column")))
    if classifier.modality == "text":
        _check_strings(rows, found)
    what = {"text": "texts", "image": "images", "features": "vectors"}[classifier.modality]
    return InputColumns(tuple(found), f"{what} are read from {' and '.join(map(repr, found))}, {why}")


def _only(classifier: Predictor, rows: RowStream) -> str:
    if classifier.modality == "features":
        kinds = rows.head.features.arrow_schema
        lists = [field.name for field in kinds if pa.types.is_list(field.type) or _is_fixed(field.type)]
        if len(lists) != 1:
            raise UserError(
                f"column: {rows.name} has {len(lists)} columns of vectors; the model reads vectors of features, for "
                "its encoder is not at hand: name the column, or the encoder"
            )
        return lists[0]
    chosen = choose_columns(_typed(rows.head) if isinstance(rows, CsvStream) else rows.head, f"file: {rows.name}")
    if chosen.modality != classifier.modality:
        raise UserError(
            f"file: {rows.name} holds {chosen.modality}s in column {chosen.inputs!r}, and the model reads "
            f"{classifier.modality}s; if another column holds these, name it"
        )
    return chosen.inputs


def _typed(head: Dataset) -> Dataset:
    """Rows of CSV, whose cells are all strings, with columns of numbers as these: they hold no texts."""
    table = head.with_format("arrow")[:]
    for place, name in enumerate(table.column_names):
        cells = table.column(name)
        if is_string(cells.type) and (numbers := _as_numbers(cells)) is not None:
            table = table.set_column(place, name, numbers)
    return table_to_dataset(table)


def _as_numbers(cells: pa.ChunkedArray) -> pa.ChunkedArray | None:
    """The cells as numbers; ``None`` if one is none, or all are empty."""
    given = pc.if_else(pc.equal(pc.utf8_trim_whitespace(cells), ""), None, pc.utf8_trim_whitespace(cells))
    if given.null_count == len(given):
        return None
    for kind in (pa.int64(), pa.float64()):
        with suppress(pa.ArrowInvalid):
            return pc.cast(given, kind)
    return None


def _is_fixed(kind: Any) -> bool:
    return pa.types.is_fixed_size_list(kind) or pa.types.is_large_list(kind)


def _check_strings(rows: RowStream, columns: Sequence[str]) -> None:
    for column in columns:
        kind = rows.head.features.arrow_schema.field(column).type
        values = kind.value_type if pa.types.is_dictionary(kind) else kind
        if not (is_string(values) or pa.types.is_null(values)):
            raise UserError(f"column: column {column!r} of {rows.name} holds {kind}; expected texts")


def _second(rows: RowStream, first: str, pair_column: str | None) -> str:
    names = rows.head.column_names
    if pair_column not in names or pair_column == first:
        raise UserError(
            f"pair_column: the model reads pairs of texts, and {rows.name} has no column {pair_column!r} for the "
            f"second ones beside {first!r}; its columns are {', '.join(map(repr, names))}"
        )
    return str(pair_column)


@dataclass(frozen=True)
class NewColumns:
    """What is added to a table.

    Attributes:
        label: column of the names of classes.
        confidence: column of the probability of that class.
        probabilities: a column for each class; empty where nobody asked.
        note: names that were taken, for a person; empty where none was.
    """

    label: str
    confidence: str
    probabilities: tuple[str, ...]
    note: str

    @property
    def names(self) -> tuple[str, ...]:
        """All of them."""
        return (self.label, self.confidence, *self.probabilities)


def new_columns(columns: Sequence[str], label_names: Sequence[str], probabilities: bool) -> NewColumns:
    """``label``, ``confidence`` and ``probability_<class>``; ``predicted_label`` where the table has a ``label``.

    Raises:
        UserError: it has ``predicted_label`` as well, or a ``probability_<class>``.
    """
    try:
        check_new_columns(columns, label_names, probabilities=probabilities)
    except UserError as error:
        raise UserError(f"file: {error}") from error
    label, confidence = (predicted_name(name, columns) for name in (LABEL, CONFIDENCE))
    renamed = [
        f"{old!r}, so the new one is {new!r}" for old, new in ((LABEL, label), (CONFIDENCE, confidence)) if old != new
    ]
    note = f"it has a column {' and a column '.join(renamed)}" if renamed else ""
    made = tuple(f"{PROBABILITY}{name}" for name in label_names) if probabilities else ()
    return NewColumns(label, confidence, made, note)

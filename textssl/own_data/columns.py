"""Which columns of a table hold the inputs and the labels, where a person did not say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
from datasets import ClassLabel, Dataset

from ..data.class_names import folded
from ..data.columns import check_column, is_string
from ..data.image_tables import is_image_column
from ..errors import UserError
from ..modalities.image.folder import IMAGE_SUFFIXES


__all__ = ["ChosenColumns", "choose_columns"]

TEXT, IMAGE, LABEL = "text", "image", "label"
# What such columns are called, the surest names first.
TEXT_NAMES = (
    "texts", "sentence", "review", "review_text", "document", "content", "body", "message", "comment", "tweet",
    "utterance", "question", "query", "article", "post", "abstract", "description", "headline", "title", "sms",
    "phrase", "input",
)  # fmt: skip
IMAGE_NAMES = ("img", "picture", "photo", "pixels", "file_name", "filename", "image_path", "path", "file")
LABEL_NAMES = (
    "labels", "class", "category", "target", "sentiment", "topic", "intent", "emotion", "polarity", "stars", "rating",
    "label_text", "label_name", "class_name", "y",
)  # fmt: skip
# Rows that are looked at.
HEAD = 1000
# Of two columns without a telling name, the labels are the one with this share of different values or less, whose
# values are at most half as long.
REPEATED = 0.5
SHORTER = 0.5


@dataclass(frozen=True)
class ChosenColumns:
    """Columns of a table.

    Attributes:
        modality: ``"text"`` or ``"image"``.
        inputs: the column of texts or images.
        label: the column of labels; ``None`` where there is none.
        notes: what was chosen for a person, in words.
    """

    modality: str
    inputs: str
    label: str | None
    notes: tuple[str, ...]


def choose_columns(
    dataset: Dataset,
    argument: str,
    text_column: str | None = None,
    image_column: str | None = None,
    label_column: str | None = None,
) -> ChosenColumns:
    """Find the columns of inputs and of labels.

    Names that are given must be there. Without one, ``text``, ``image`` and ``label`` are taken, whatever their case;
    else a column with another usual name; else, of two columns, the one of few short values is that of labels.

    Args:
        dataset: N > 0 rows.
        argument: what messages call the data set.
        text_column: of texts.
        image_column: of images.
        label_column: of labels.

    Raises:
        UserError: a column that was named is not there, or it cannot be told which one holds the inputs.
    """
    for name, column in (("text", text_column), ("image", image_column), ("label", label_column)):
        if column is not None:
            check_column(dataset, column, argument, f"{name}_column")
    images = [] if text_column is not None else [name for name in dataset.column_names if _holds_images(dataset, name)]
    if image_column is not None or images:
        modality, usual = IMAGE, IMAGE
        inputs = image_column or _image_column(images, argument)
    else:
        modality, usual = TEXT, TEXT
        inputs = text_column or _text_column(dataset, label_column, argument)
    label = label_column or _label_column(dataset, inputs)
    notes = []
    given = image_column if modality == IMAGE else text_column
    if given is None and inputs != usual:
        notes.append(f"{inputs!r} is taken as the column of {modality}s")
    if label_column is None and label is not None and label != LABEL:
        notes.append(f"{label!r} is taken as the column of labels")
    return ChosenColumns(modality, inputs, label, tuple(notes))


def _image_column(images: Sequence[str], argument: str) -> str:
    found = _by_name(images, (IMAGE, *IMAGE_NAMES)) or images[0]
    if len(images) > 1 and folded(found) not in (IMAGE, *IMAGE_NAMES):
        raise UserError(f"{argument}: the columns {list(images)} all hold images; name one by image_column")
    return found


def _text_column(dataset: Dataset, label_column: str | None, argument: str) -> str:
    strings = [name for name in dataset.column_names if name != label_column and _holds_strings(dataset, name)]
    found = _by_name(strings, (TEXT,)) or _by_name(dataset.column_names, (TEXT,))
    if found is None:
        found = _by_name(strings, TEXT_NAMES, alone=True)
    if found is None:
        others = [name for name in strings if folded(name) not in (LABEL, *LABEL_NAMES)]
        if len(others) == 2 and len(dataset.column_names) == 2:
            others = [name for name in others if not _looks_like_labels(dataset, name, others)]
        found = others[0] if len(others) == 1 else None
    if found is None:
        raise UserError(
            f"{argument}: no column 'text' (text_column), and it cannot be told which one holds the texts; its "
            f"columns are {dataset.column_names}"
        )
    return found


def _label_column(dataset: Dataset, inputs: str) -> str | None:
    others = [name for name in dataset.column_names if name != inputs]
    found = _by_name(others, (LABEL,)) or _by_name(others, LABEL_NAMES, alone=True)
    if found is None:
        classes = [name for name in others if isinstance(dataset.features[name], ClassLabel)]
        found = classes[0] if len(classes) == 1 else None
    if found is None and len(others) == 1 and _looks_like_labels(dataset, others[0], [inputs, others[0]]):
        found = others[0]
    return found


def _by_name(columns: Sequence[str], names: Sequence[str], alone: bool = False) -> str | None:
    """The column with the first of some names; ``None`` of none, and of several where it shall be ``alone``."""
    known = {folded(column).replace(" ", "_").replace("-", "_"): column for column in columns}
    found = [known[name] for name in names if name in known]
    return None if not found or (alone and len(found) > 1) else found[0]


def _looks_like_labels(dataset: Dataset, column: str, pair: Sequence[str]) -> bool:
    """Whether a column holds few different values, shorter than those of the other one of a pair."""
    values = _head(dataset, column)
    kind = values.type
    if pa.types.is_nested(kind) or len(values) - values.null_count < 2:
        return False
    distinct = len(pc.unique(values.drop_null()))
    if distinct > max(2, REPEATED * (len(values) - values.null_count)):
        return False
    if not is_string(kind):
        return pa.types.is_integer(kind) or pa.types.is_boolean(kind)
    lengths = [_mean_length(dataset, name) for name in pair if name != column and _holds_strings(dataset, name)]
    return not lengths or _mean_length(dataset, column) <= SHORTER * lengths[0]


def _mean_length(dataset: Dataset, column: str) -> float:
    return float(pc.mean(pc.utf8_length(_head(dataset, column))).as_py() or 0)


def _head(dataset: Dataset, column: str) -> pa.ChunkedArray:
    rows = dataset.select_columns([column]).select(range(min(HEAD, len(dataset))))
    return rows.with_format("arrow")[:][column]


def _holds_strings(dataset: Dataset, column: str) -> bool:
    return is_string(dataset.features.arrow_schema.field(column).type)


def _holds_images(dataset: Dataset, column: str) -> bool:
    """Whether a column holds images, their files' bytes, or only paths that end as those of images do."""
    if is_image_column(dataset, column):
        return True
    values = _head(dataset, column).drop_null()
    kind = values.type
    if pa.types.is_struct(kind):
        return {"bytes", "path"} == {field.name for field in kind}
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return len(values) > 0
    if not is_string(kind) or not len(values):
        return False
    ends = pc.utf8_lower(values)
    return all(any(text.endswith(suffix) for suffix in IMAGE_SUFFIXES) for text in ends.to_pylist())

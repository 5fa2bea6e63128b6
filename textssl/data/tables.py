"""Tables of texts: read from a person's own files, cleaned, and without duplicates."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from datasets import ClassLabel, Dataset, DatasetInfo, Features, load_from_disk

from ..errors import UserError
from ..notices import warn_once
from .class_labels import with_class_labels
from .predicted_columns import are_predictions
from .table_files import read_table_file
from .validation import check_texts


__all__ = [
    "clean_texts",
    "distinct_texts",
    "load_table",
    "read_table",
    "table_to_dataset",
    "take_rows",
]

logger = logging.getLogger(__name__)


def load_table(
    path: str | os.PathLike[str],
    text_column: str = "text",
    label_column: str | None = "label",
    label_names: Sequence[str] | None = None,
    text_pair_column: str | None = None,
) -> Dataset:
    """Read a table of texts, and of their labels, from one file or a saved data set.

    Files are read into memory; a folder written by `datasets.Dataset.save_to_disk` is
    memory-mapped, which is the way to use a table larger than memory. Nothing in a folder is ever
    executed. All columns are kept. In CSV and TSV a field that begins with a double quote ends with
    one, and "NA" or "null" is a text like any other. Columns may be parted by commas, semicolons, tabs
    or vertical bars, and files be in UTF-8, UTF-16, UTF-32 or Windows-1252: what was found is said in a
    warning where it is not what the suffix says, or not UTF-8.

    Spaces around the names of columns are no part of them. Of a CSV file with one column each line is a text, whatever
    delimiters are in it.

    Labels become a `ClassLabel`. Strings: the names are `label_names`, by default the sorted
    distinct labels. Integers: those that start at 0 stay as they are; others (1 to 5 stars) are
    named by their values, in order. Read the evaluation table with the names of the training table,
    `label_names=train.features["label"].names`, so that both mean the same by a label.

    Args:
        path: `.csv`, `.tsv`, `.jsonl`, `.json` (an array of objects, or one object a line), `.txt` (a text a line),
            each also packed as `.gz`; `.parquet`, or a folder written by `save_to_disk`.
        text_column: The column of texts.
        label_column: The column of labels; `None` for an unlabeled table.
        label_names: The classes in the order of their ids; `None` takes them from the table.
        text_pair_column: The column of second texts, where rows are pairs.

    Returns:
        A data set of N > 0 rows without a missing text or label.

    Raises:
        UserError: The file is missing, empty, broken (with its line) or of an unknown kind; a column does not
            exist; a text is missing or no string (with its row, counted from 0); a label is
            missing, negative or not among `label_names`.
    """
    location = Path(path)
    dataset = read_table(location, text_column, text_pair_column)
    if len(dataset) == 0:
        raise UserError(f"path: {str(location)!r} holds no rows")
    check_texts(dataset, text_column, str(location))
    if text_pair_column is not None:
        check_texts(dataset, text_pair_column, str(location), "text_pair_column")
    if label_column is None:
        return dataset
    labeled = with_class_labels(dataset, label_column, label_names, location)
    if are_predictions(dataset.column_names, label_column):
        warn_once(logger, f"{location}: the labels are a classifier's, which nobody checked (there is a confidence)")
    return labeled


def read_table(path: Path, text_column: str, text_pair_column: str | None = None, *, as_text: bool = False) -> Dataset:
    """Read a file or a saved data set as it is; a `UserError` where it is none.

    CSV keeps these columns as text, and with `as_text` all of them.
    """
    if not path.exists():
        raise UserError(f"path: no such file or folder: {str(path)!r}")
    if path.is_dir():
        return _read_folder(path)
    try:
        text_columns = [name for name in (text_column, text_pair_column) if name]
        return table_to_dataset(read_table_file(path, text_columns, as_text))
    except UserError:
        raise
    except (pa.ArrowException, ValueError, OverflowError) as error:
        raise UserError(f"path: cannot read {str(path)!r}: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())


def _read_folder(path: Path) -> Dataset:
    if (path / "dataset_dict.json").is_file():
        splits = sorted(entry.name for entry in path.iterdir() if entry.is_dir())
        raise UserError(
            f"path: {str(path)!r} holds several splits {splits}; name one, such as "
            f"{str(path / (splits or ['train'])[0])!r}"
        )
    if not (path / "state.json").is_file() or not (path / "dataset_info.json").is_file():
        raise UserError(
            f"path: the folder {str(path)!r} was not written by datasets.Dataset.save_to_disk "
            "(no state.json and dataset_info.json)"
        )
    try:
        return load_from_disk(str(path)).with_format(None)
    except (pa.ArrowException, OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"path: cannot read the data set in {str(path)!r}: {_reason(error)}") from error


def table_to_dataset(table: pa.Table, **class_labels: Sequence[str]) -> Dataset:
    """Wrap an Arrow table as an in-memory data set without copying its columns.

    Args:
        table: Any table; features stored in its schema by `datasets` are respected.
        class_labels: For an integer column, the names of its classes: `label=("negative",
            "positive")`.

    Returns:
        The data set of the same rows.

    Raises:
        UserError: Two columns have the same name.
    """
    names = table.column_names
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UserError(f"the table has more than one column named {twice[0]!r}")
    features = Features.from_arrow_schema(table.schema)
    for column, classes in class_labels.items():
        features[column] = ClassLabel(names=list(classes))
    return Dataset(table.cast(features.arrow_schema), info=DatasetInfo(features=features))


def take_rows(
    dataset: Dataset,
    rows: np.ndarray,
    columns: Mapping[str, pa.Array],
    **class_labels: Sequence[str],
) -> Dataset:
    """Copy some rows into memory and give them further columns.

    Args:
        dataset: The data set.
        rows: [K] row numbers, in any order.
        columns: [K] values of each new column.
        class_labels: For a new integer column, the names of its classes.

    Returns:
        The K rows, with the features they had.
    """
    table = dataset.select(rows).with_format("arrow")[:].cast(dataset.features.arrow_schema)
    for name, values in columns.items():
        table = table.append_column(name, values)
    return table_to_dataset(table, **class_labels)


def clean_texts(table: pa.Table, column: str) -> pa.Table:
    """Turn the HTML line breaks of a column of texts into spaces, and trim its ends."""
    texts = pc.replace_substring_regex(table[column], r"(?:\s*<br\s*/?>)+\s*", " ")
    position = table.column_names.index(column)
    return table.set_column(position, column, pc.utf8_trim_whitespace(texts))


def distinct_texts(table: pa.Table, text_column: str, label_column: str, besides: Sequence[pa.Table] = ()) -> pa.Table:
    """Keep the first row of equal texts; none if their labels differ.

    Texts that differ in white space only are equal.

    Args:
        table: N rows with a text and an integer label.
        text_column: The column of texts.
        label_column: The column of labels.
        besides: Tables whose texts are left out as well.

    Returns:
        The rows kept, in their order.
    """
    keys = _keys(table, text_column)
    encoded = keys.combine_chunks().dictionary_encode()
    codes = encoded.indices.to_numpy()
    labels = table[label_column].to_numpy()
    low = np.full(len(encoded.dictionary), labels.max(initial=0))
    high = np.full(len(encoded.dictionary), labels.min(initial=0))
    np.minimum.at(low, codes, labels)
    np.maximum.at(high, codes, labels)
    keep = np.zeros(len(codes), bool)
    keep[np.unique(codes, return_index=True)[1]] = True
    keep &= low[codes] == high[codes]
    for other in besides:
        known = _keys(other, text_column).combine_chunks()
        keep &= ~pc.is_in(keys, value_set=known).to_numpy()
    return table.filter(pa.array(keep))


def _keys(table: pa.Table, column: str) -> pa.ChunkedArray:
    return pc.replace_substring_regex(table[column], r"\s+", " ")

"""Tables of texts: read from a person's own files, cleaned, and without duplicates."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.json as pa_json
import pyarrow.parquet as pq
from datasets import ClassLabel, Dataset, DatasetInfo, Features, load_from_disk

from ..errors import UserError
from .validation import check_texts, label_column_of


__all__ = ["clean_texts", "distinct_texts", "load_table", "table_to_dataset", "take_rows"]

SUFFIXES = (".csv", ".tsv", ".jsonl", ".json", ".parquet")
# A single text longer than a block cannot be parsed, and Arrow's own blocks are only 1 MiB.
BLOCK_BYTES = 1 << 26
# Above this an integer column is a column of codes, and ids from 0 to its maximum would be absurd.
MAX_CLASS_ID = 10_000


def load_table(
    path: str | os.PathLike[str],
    text_column: str = "text",
    label_column: str | None = "label",
    label_names: Sequence[str] | None = None,
) -> Dataset:
    """Read a table of texts, and of their labels, from one file or a saved data set.

    Files are read into memory; a folder written by `datasets.Dataset.save_to_disk` is
    memory-mapped, which is the way to use a table larger than memory. Nothing in a folder is ever
    executed. All columns are kept. In CSV and TSV a field that begins with a double quote ends with
    one, and "NA" or "null" is a text like any other.

    Labels become a `ClassLabel`. Strings: the names are `label_names`, by default the sorted
    distinct labels. Integers: those that start at 0 stay as they are; others (1 to 5 stars) are
    named by their values, in order. Read the evaluation table with the names of the training table,
    `label_names=train.features["label"].names`, so that both mean the same by a label.

    Args:
        path: `.csv`, `.tsv`, `.jsonl`, `.json` (an array of objects, or one object a line),
            `.parquet`, or a folder written by `save_to_disk`.
        text_column: The column of texts.
        label_column: The column of labels; `None` for an unlabeled table.
        label_names: The classes in the order of their ids; `None` takes them from the table.

    Returns:
        A data set of N > 0 rows without a missing text or label.

    Raises:
        UserError: The file is missing, empty, broken or of an unknown kind; a column does not
            exist; a text is missing or no string (with its row, counted from 0); a label is
            missing, negative or not among `label_names`.
    """
    location = Path(path)
    dataset = _read(location, text_column)
    if len(dataset) == 0:
        raise UserError(f"path: {str(location)!r} holds no rows")
    check_texts(dataset, text_column, str(location))
    if label_column is None:
        return dataset
    labels = label_column_of(dataset, label_column, str(location))
    feature = dataset.features[label_column]
    ids, names = _encode_labels(labels, feature, label_names, label_column, location)
    if isinstance(feature, ClassLabel) and feature.names == names:
        return dataset
    position = dataset.column_names.index(label_column)
    order = dataset.column_names
    encoded = dataset.remove_columns(label_column).add_column(
        label_column, pa.array(ids), feature=ClassLabel(names=names)
    )
    return encoded.select_columns(order) if position != len(order) - 1 else encoded


def _read(path: Path, text_column: str) -> Dataset:
    if not path.exists():
        raise UserError(f"path: no such file or folder: {str(path)!r}")
    if path.is_dir():
        return _read_folder(path)
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise UserError(
            f"path: {str(path)!r} ends in {suffix!r}; allowed are {', '.join(SUFFIXES)} "
            "and a folder written by datasets.Dataset.save_to_disk"
        )
    if path.stat().st_size == 0:
        raise UserError(f"path: {str(path)!r} is empty")
    try:
        if suffix == ".parquet":
            return table_to_dataset(pq.read_table(path))
        if suffix in (".csv", ".tsv"):
            return table_to_dataset(_read_csv(path, text_column, "\t" if suffix == ".tsv" else ","))
        return table_to_dataset(_read_json(path))
    except (pa.ArrowException, UnicodeDecodeError, json.JSONDecodeError, OSError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"path: cannot read {str(path)!r}: {reason}") from error


def _read_csv(path: Path, text_column: str, delimiter: str) -> pa.Table:
    return pa_csv.read_csv(
        path,
        read_options=pa_csv.ReadOptions(block_size=BLOCK_BYTES),
        parse_options=pa_csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
        convert_options=pa_csv.ConvertOptions(column_types={text_column: pa.string()}),
    )


def _read_json(path: Path) -> pa.Table:
    with path.open("rb") as file:
        head = file.read(64).removeprefix(b"\xef\xbb\xbf").lstrip()
    if head.startswith(b"["):
        rows = json.loads(path.read_text(encoding="utf-8-sig"))
        if not all(isinstance(row, dict) for row in rows):
            raise UserError(f"path: {str(path)!r} is an array of something else than objects")
        # from_pylist would take the columns of the first row for those of all.
        return pa.Table.from_struct_array(pa.array(rows, type=None if rows else pa.struct([])))
    return pa_json.read_json(path, read_options=pa_json.ReadOptions(block_size=BLOCK_BYTES))


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
        reason = " ".join(str(error).split())
        raise UserError(f"path: cannot read the data set in {str(path)!r}: {reason}") from error


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


def _encode_labels(
    labels: pa.ChunkedArray,
    feature: Any,
    label_names: Sequence[str] | None,
    column: str,
    path: Path,
) -> tuple[np.ndarray, list[str]]:
    """Labels as ids [N] and the names of those ids."""
    if isinstance(feature, ClassLabel) and feature.names is not None:
        ids = labels.to_numpy()
        _refuse_negative(ids, column, path)
        if label_names is None:
            return ids, list(feature.names)
        _within(ids, feature.names, column, path)
        labels = pa.chunked_array([pa.array(feature.names).take(pa.array(ids))])
    elif pa.types.is_integer(labels.type):
        ids = labels.to_numpy()
        _refuse_negative(ids, column, path)
        numbered = label_names is not None and all(name.isdecimal() for name in label_names)
        if label_names is not None and not numbered:
            return _within(ids, label_names, column, path), list(label_names)
        if label_names is None and ids.min() == 0 and ids.max() < MAX_CLASS_ID:
            return ids, [str(i) for i in range(int(ids.max()) + 1)]
        if label_names is None:
            label_names = [str(value) for value in np.unique(ids)]
        labels = labels.cast(pa.string())
    else:
        labels = labels.cast(pa.string())
    names = sorted(pc.unique(labels).to_pylist()) if label_names is None else list(label_names)
    found = pc.index_in(labels, value_set=pa.array(names, pa.string()))
    if found.null_count:
        row = pc.index(pc.is_null(found), True).as_py()
        raise UserError(
            f"{column}: label {labels[row].as_py()!r} in row {row} of {str(path)!r} "
            f"is not among the known labels {names}"
        )
    return found.to_numpy().astype(np.int64), names


def _refuse_negative(ids: np.ndarray, column: str, path: Path) -> None:
    if ids.min() < 0:
        row = int(np.argmax(ids < 0))
        raise UserError(
            f"{column}: label {ids[row]} in row {row} of {str(path)!r} is negative; "
            "put unlabeled rows in a table of their own and read it with label_column=None"
        )


def _within(ids: np.ndarray, names: Sequence[str], column: str, path: Path) -> np.ndarray:
    if ids.max() >= len(names):
        row = int(np.argmax(ids >= len(names)))
        raise UserError(
            f"{column}: label {ids[row]} in row {row} of {str(path)!r} is not among the ids 0 to "
            f"{len(names) - 1} of the known labels {list(names)}"
        )
    return ids


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

"""Rows of a data set told apart by what is in them, a piece at a time.

Texts are compared without the white space around them, and case counts; images by the bytes of their files, or by
their paths where the data set has only these; vectors by their numbers. All is done by Arrow: a million texts take a
second or two.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from datasets import Dataset

from .columns import BATCH_ROWS, is_string


__all__ = ["DistinctRows", "blank_rows", "first_rows"]

# No text has it; it stands between those of a pair.
SEPARATOR = "\x1f"


@dataclass(frozen=True)
class DistinctRows:
    """Rows of a data set by what is in them.

    Attributes:
        codes: [N] numbers that are equal where rows are.
        distinct: [D] what each number stands for.
        first: [D] the first row of each.
        noun: What a row is, for messages.
    """

    codes: np.ndarray
    distinct: pa.Array
    first: np.ndarray
    noun: str

    @classmethod
    def of(cls, dataset: Dataset, columns: Sequence[str]) -> DistinctRows:
        """Compare all rows of a data set by some of its columns."""
        keys = pa.chunked_array([part for _, part in _keys(dataset, columns)])
        encoded = pc.dictionary_encode(keys, null_encoding="encode")
        codes = np.concatenate([chunk.indices.to_numpy() for chunk in encoded.chunks])
        distinct = encoded.chunks[-1].dictionary
        first = np.empty(len(distinct), np.int64)
        # Of several assignments the last counts: that of the earliest row.
        first[codes[::-1]] = np.arange(len(codes))[::-1]
        return cls(codes, distinct, first, _noun(dataset, columns))

    @property
    def blind(self) -> bool:
        """Whether rows of this kind cannot be compared."""
        return pa.types.is_null(self.distinct.type)


def blank_rows(dataset: Dataset, columns: Sequence[str]) -> np.ndarray:
    """Rows all of whose texts are blank."""
    if _noun(dataset, columns) not in ("text", "pair of texts"):
        return np.empty(0, np.int64)
    size = len(columns) - 1
    blank = [np.asarray(pc.equal(pc.binary_length(keys), size)) for _, keys in _keys(dataset, columns)]
    return np.flatnonzero(np.concatenate(blank))


def first_rows(wanted: pa.Array, dataset: Dataset, columns: Sequence[str]) -> np.ndarray:
    """The first row of a data set that has each of the wanted keys; -1 where none has, and for blank texts."""
    first = np.full(len(wanted), -1, np.int64)
    for start, keys in _keys(dataset, columns):
        if keys.type != wanted.type:
            return first
        found = pc.index_in(keys, value_set=wanted, skip_nulls=True)
        places = np.flatnonzero(np.asarray(found.is_valid()))
        codes = found.drop_null().to_numpy()
        new = first[codes] < 0
        # From the end, so that of equal rows the earliest stays.
        first[codes[new][::-1]] = (start + places[new])[::-1]
    if pa.types.is_large_string(wanted.type):
        first[np.asarray(pc.equal(pc.binary_length(wanted), len(columns) - 1).fill_null(True))] = -1
    return first


def _keys(dataset: Dataset, columns: Sequence[str]) -> Iterator[tuple[int, pa.Array]]:
    """What rows are told apart by, piece by piece, each with its first row."""
    rows = dataset.select_columns(list(columns)).with_format("arrow")
    for number, batch in enumerate(rows.iter(batch_size=BATCH_ROWS)):
        parts = [_key(batch.column(column).combine_chunks()) for column in columns]
        joined = (
            parts[0]
            if len(parts) == 1
            else pc.binary_join_element_wise(*parts, pa.scalar(SEPARATOR, pa.large_string()))
        )
        yield number * BATCH_ROWS, joined


def _key(values: pa.Array) -> pa.Array:
    """Strings, bytes or numbers that are equal where inputs are; nulls where that cannot be told."""
    kind = values.type
    if is_string(kind):
        return pc.utf8_trim_whitespace(values).cast(pa.large_string())
    if pa.types.is_struct(kind) and {"bytes", "path"} <= {entry.name for entry in kind}:
        # Files that were not read are told apart by their places.
        paths = pc.struct_field(values, "path").cast(pa.large_binary())
        return pc.coalesce(pc.struct_field(values, "bytes").cast(pa.large_binary()), paths)
    if pa.types.is_fixed_size_list(kind) and not values.null_count:
        numbers = np.ascontiguousarray(values.flatten().to_numpy())
        width = pa.binary(kind.list_size * numbers.itemsize)
        return pa.FixedSizeBinaryArray.from_buffers(width, len(values), [None, pa.py_buffer(numbers)])
    return pa.nulls(len(values))


def _noun(dataset: Dataset, columns: Sequence[str]) -> str:
    kinds = [dataset.features.arrow_schema.field(column).type for column in columns]
    if all(is_string(kind) for kind in kinds):
        return "text" if len(kinds) == 1 else "pair of texts"
    return "image" if pa.types.is_struct(kinds[0]) else "vector"

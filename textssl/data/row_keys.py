"""Content keys that identify equal rows, computed in chunks.

Texts are compared without the white space around them, and case counts; images by the bytes of their files, or by
their paths where the data set has only these; vectors by their numbers. All is done by Arrow: a million texts take a
second or two.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

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
        first: [D] the first row of each; -1 for one that no row has.
        noun: What a row is, for messages.
    """

    codes: np.ndarray
    distinct: pa.Array
    first: np.ndarray
    noun: str

    @classmethod
    def of(cls, dataset: Dataset, columns: Sequence[str]) -> DistinctRows:
        """Compare all rows of a data set by some of its columns."""
        stored, places = _as_stored(dataset)
        encoded = pc.dictionary_encode(pa.chunked_array(_keys(stored, columns)), null_encoding="encode")
        codes = np.concatenate([chunk.indices.to_numpy() for chunk in encoded.chunks])[places]
        distinct = encoded.chunks[-1].dictionary
        return cls(codes, distinct, _first_of(codes, len(distinct)), _noun(dataset, columns))

    @property
    def blind(self) -> bool:
        """Whether rows of this kind cannot be compared."""
        return pa.types.is_null(self.distinct.type)


def blank_rows(dataset: Dataset, columns: Sequence[str]) -> np.ndarray:
    """Rows all of whose texts are blank."""
    if _noun(dataset, columns) not in ("text", "pair of texts"):
        return np.empty(0, np.int64)
    stored, places = _as_stored(dataset)
    blank = np.ones(len(stored), bool)
    for column in columns:
        parts = [_is_blank(part.column(column)) for part in _batches(stored, columns)]
        blank &= np.concatenate(parts)
    return np.flatnonzero(blank[places])


def first_rows(wanted: pa.Array, dataset: Dataset, columns: Sequence[str]) -> np.ndarray:
    """The first row of a data set that has each of the wanted keys, [D]; -1 where none has, and for blank texts."""
    stored, places = _as_stored(dataset)
    codes = np.full(len(stored), -1, np.int64)
    start = 0
    for keys in _keys(stored, columns):
        if keys.type == wanted.type:
            found = pc.index_in(keys, value_set=wanted, skip_nulls=True)
            codes[start : start + len(keys)] = found.fill_null(-1).to_numpy()
        start += len(keys)
    first = _first_of(codes[places], len(wanted))
    if pa.types.is_large_string(wanted.type):
        first[np.asarray(pc.equal(pc.binary_length(wanted), len(columns) - 1).fill_null(True))] = -1
    return first


def _as_stored(dataset: Dataset) -> tuple[Dataset, Any]:
    """The rows to read, and which of them are those of the data set: to gather a large selection is slow."""
    selected = dataset._indices
    if selected is None or len(dataset) * 4 < len(dataset.data):
        return dataset, slice(None)
    whole = Dataset(dataset.data, info=dataset.info, fingerprint=f"{dataset._fingerprint}-stored")
    return whole, selected.column(0).to_numpy()


def _first_of(codes: np.ndarray, count: int) -> np.ndarray:
    """The first place of each of the numbers 0 to count - 1; -1 where there is none."""
    first = np.full(count, -1, np.int64)
    places = np.flatnonzero(codes >= 0)[::-1]
    # Of several assignments the last counts.
    first[codes[places]] = places
    return first


def _batches(dataset: Dataset, columns: Sequence[str]) -> Iterator[pa.Table]:
    yield from dataset.select_columns(list(columns)).with_format("arrow").iter(batch_size=BATCH_ROWS)


def _keys(dataset: Dataset, columns: Sequence[str]) -> Iterator[pa.Array]:
    """What rows are told apart by, piece by piece."""
    for batch in _batches(dataset, columns):
        parts = [_key(batch.column(column).combine_chunks()) for column in columns]
        separator = pa.scalar(SEPARATOR, pa.large_string())
        yield parts[0] if len(parts) == 1 else pc.binary_join_element_wise(*parts, separator)


def _is_blank(texts: pa.ChunkedArray) -> np.ndarray:
    return np.asarray(pc.or_(pc.equal(pc.binary_length(texts), 0), pc.utf8_is_space(texts)).fill_null(True))


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

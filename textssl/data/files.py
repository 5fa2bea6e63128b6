"""Checksums of what a data set holds, and Parquet files."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from datasets import Dataset

from ..files import atomic_path
from .image_tables import image_digests, is_image_column


__all__ = ["content_checksum", "write_parquet"]

CHECKSUM_ROWS = 8192


def content_checksum(dataset: Dataset, columns: Sequence[str]) -> str:
    """SHA-256 of the values of some columns, in the order of the rows.

    Equal values give equal sums however they are held: chunked, selected, in memory or on disk, as
    `string` or `large_string`, as `int64` or `ClassLabel`. A missing value counts as an empty one.
    An image stored as PNG counts by its pixels, any other by the bytes of its file.

    Args:
        dataset: The data set.
        columns: The columns, in this order: strings, bytes, numbers, images, or lists and structs of
            strings, bytes and numbers.

    Returns:
        64 hexadecimal digits.

    Raises:
        UserError: The file of an image cannot be opened.
    """
    digest = hashlib.sha256()
    for column in columns:
        if is_image_column(dataset, column):
            _hash_values(image_digests(dataset, column), digest)
            continue
        rows = dataset.select_columns([column]).with_format("arrow")
        for batch in rows.iter(batch_size=CHECKSUM_ROWS):
            _hash_values(batch.column(column).combine_chunks(), digest)
    return digest.hexdigest()


def _hash_values(values: pa.Array, digest: Any) -> None:
    if isinstance(values, pa.ChunkedArray):
        values = pa.concat_arrays(values.chunks)
    kind = values.type
    if pa.types.is_struct(kind):
        for field in values.flatten():
            _hash_values(field, digest)
    elif pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        digest.update(pc.list_value_length(values).fill_null(0).cast(pa.int64()).to_numpy().tobytes())
        _hash_values(pc.list_flatten(values), digest)
    elif pa.types.is_integer(kind) or pa.types.is_boolean(kind):
        digest.update(values.cast(pa.int64()).fill_null(0).to_numpy().tobytes())
    elif pa.types.is_floating(kind):
        digest.update(values.cast(pa.float64()).fill_null(0.0).to_numpy().tobytes())
    else:
        data = values.cast(pa.large_binary()).fill_null(b"")
        offsets = np.frombuffer(data.buffers()[1], np.int64)[data.offset :][: len(data) + 1]
        digest.update(np.diff(offsets).tobytes())
        if offsets[-1] > offsets[0]:
            digest.update(memoryview(data.buffers()[2])[offsets[0] : offsets[-1]])


def write_parquet(dataset: Dataset, path: Path) -> None:
    """Write a data set, with its features, as one Parquet file that appears whole or not at all."""
    schema = dataset.features.arrow_schema
    rows = dataset.with_format("arrow")
    with atomic_path(path) as temporary, pq.ParquetWriter(temporary, schema) as writer:
        for batch in rows.iter(batch_size=CHECKSUM_ROWS):
            writer.write_table(batch.cast(schema))

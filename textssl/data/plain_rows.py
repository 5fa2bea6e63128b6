"""Rows of a data set as a person sees them in a CSV file, and what tells their contents apart."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

from datasets import ClassLabel, Dataset, Image, Value

from .image_tables import image_digests, is_image_column


__all__ = ["content_keys", "csv_columns"]


def csv_columns(rows: Dataset) -> dict[str, list[Any]]:
    """The columns that a CSV file can hold, by name: names of classes, and paths of images that have one."""
    found = {}
    for name, feature in rows.features.items():
        if is_image_column(rows, name):
            stored = rows.select_columns([name]).cast_column(name, Image(decode=False))[name]
            paths = [None if image is None else image.get("path") for image in stored]
            if any(paths):
                found[name] = paths
        elif isinstance(feature, ClassLabel):
            found[name] = [None if value is None or value < 0 else feature.names[value] for value in rows[name]]
        elif isinstance(feature, Value):
            found[name] = list(rows[name])
    return found


def content_keys(rows: Dataset, columns: Sequence[str]) -> list[Hashable]:
    """For each row ``[N]`` what is equal where all of ``columns``, texts or images, are."""
    values = [
        image_digests(rows, name).to_pylist() if is_image_column(rows, name) else rows[name][:] for name in columns
    ]
    return list(zip(*values, strict=True))

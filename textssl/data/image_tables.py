"""Columns of images: made from arrays of pixels, compared by their pixels, read without decoding."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from datasets import ClassLabel, Dataset, Features, Image

from ..errors import UserError
from .tables import distinct_texts


__all__ = ["distinct_images", "image_digests", "image_table", "is_image_column", "stored_images"]

DIGEST_ROWS = 1024
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def is_image_column(dataset: Dataset, column: str) -> bool:
    """Whether a column has the feature `datasets.Image`."""
    return isinstance(dataset.features[column], Image)


def stored_images(dataset: Dataset, column: str, batch_size: int) -> Iterator[tuple[int, list[dict[str, Any] | None]]]:
    """The images of a column as they are stored: not decoded, and no other column is read.

    Args:
        dataset: The data set.
        column: A column with the feature `datasets.Image`.
        batch_size: How many images to hold at a time.

    Yields:
        The number of the first row, and a list of `{"bytes": ..., "path": ...}`, or `None` for a
        missing image.
    """
    rows = dataset.select_columns([column]).with_format("arrow")
    for number, batch in enumerate(rows.iter(batch_size=batch_size)):
        yield number * batch_size, batch.column(column).to_pylist()


def image_table(pixels: np.ndarray, labels: np.ndarray, label_names: Sequence[str]) -> pa.Table:
    """Make a table of images and labels, each image a PNG file in memory.

    Args:
        pixels: [N, H, W] uint8 for grey images, [N, H, W, 3] for colour.
        labels: [N] class ids.
        label_names: The classes in the order of their ids.

    Returns:
        Columns `image` and `label`; its schema tells `datasets` what they are.
    """
    files = [{"bytes": _png(image), "path": None} for image in pixels]
    features = Features({"image": Image(), "label": ClassLabel(names=list(label_names))})
    return pa.table(
        [pa.array(files, Image.pa_type), pa.array(np.asarray(labels, np.int64))], schema=features.arrow_schema
    )


def image_digests(dataset: Dataset, column: str) -> pa.Array:
    """What tells images apart: a SHA-256 of each.

    Of a PNG file, the way in which `datasets` stores an image, it is that of mode, size and pixels:
    two writers compress the same pixels differently. Of any other file it is that of its bytes, for
    decoders of lossy formats round differently.

    Args:
        dataset: N rows.
        column: A column with the feature `datasets.Image`.

    Returns:
        [N] strings of 64 hexadecimal digits; "" for a missing image.

    Raises:
        UserError: A file that cannot be opened.
    """
    digests = []
    for start, images in stored_images(dataset, column, DIGEST_ROWS):
        for row, image in enumerate(images, start):
            digests.append("" if image is None else _digest(image, column, row))
    return pa.array(digests, pa.string())


def distinct_images(digests: pa.Array, labels: np.ndarray, besides: Sequence[pa.Array] = ()) -> np.ndarray:
    """Keep the first row of equal images; none if their labels differ.

    Args:
        digests: [N] values of `image_digests`.
        labels: [N] class ids.
        besides: Digests of the images that are left out as well.

    Returns:
        The rows kept, sorted.
    """
    rows = pa.table({"digest": digests, "label": labels, "row": np.arange(len(digests))})
    others = [pa.table({"digest": other}) for other in besides]
    return distinct_texts(rows, "digest", "label", others)["row"].to_numpy()


def _png(pixels: np.ndarray) -> bytes:
    from PIL import Image as PillowImage

    file = BytesIO()
    # The least compression: small images hardly shrink by more, and are read more often than written.
    PillowImage.fromarray(pixels).save(file, "PNG", compress_level=1)
    return file.getvalue()


def _digest(image: dict[str, Any], column: str, row: int) -> str:
    data = image["bytes"]
    if data is None:
        try:
            data = Path(str(image["path"])).read_bytes()
        except OSError as error:
            raise UserError(
                f"column {column!r}: the image {image['path']!r} of row {row} cannot be read: {error.strerror}"
            ) from error
    if data.startswith(PNG_SIGNATURE):
        data = _pixels(data) or data
    return hashlib.sha256(data).hexdigest()


def _pixels(data: bytes) -> bytes | None:
    """Mode, size and pixels of an image; `None` if it is broken, which is for the checks to report."""
    try:
        image = Image().decode_example({"bytes": data, "path": None})
    except Exception:  # a broken file has more kinds of failure than can be listed
        return None
    if image.mode == "P":
        # The same colours may have other numbers.
        image = image.convert("RGBA")
    return f"{image.mode} {image.width} {image.height}\n".encode() + image.tobytes()

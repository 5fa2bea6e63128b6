"""Checks of images, made before anything long starts: each is decoded once."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from datasets import Dataset, Image
from datasets.utils import tqdm

from ..errors import UserError
from .image_tables import is_image_column, stored_images
from .validation import check_column


__all__ = ["MODES", "check_images"]

# What becomes 8-bit grey or RGB without a guess at the range of its values.
MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK")
CHANNELS = (1, 3)
BATCH_IMAGES = 64
# Fewer images are read before a bar would be of use.
PROGRESS_ROWS = 2000
# Threads pay off for photographs; of small images, decoding is less work than handing them over.
LARGE_PIXELS = 128 * 128

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Seen:
    """An image that was decoded: its size, its mode, and what is wrong with it, if anything."""

    name: str
    size: tuple[int, int] = (0, 0)
    mode: str = ""
    fault: str = ""


def check_images(
    dataset: Dataset,
    column: str,
    argument: str,
    *,
    num_channels: int | None = None,
    fixed_size: bool = True,
    skip_corrupt: bool = False,
) -> Dataset:
    """Check that each value of a column is an image which can be decoded, and of a usable kind.

    Every image is read and decoded once, large ones on several threads.

    Args:
        dataset: N rows.
        column: A column with the feature `datasets.Image`.
        argument: What the messages call the data set.
        num_channels: The channels that the model takes: 1 for grey, 3 for RGB; `None` if it does
            not say.
        fixed_size: Whether the image processor resizes all images to one size. If it does not, all
            must have the size of the first.
        skip_corrupt: Leave out images that are missing or cannot be decoded, with a warning, instead
            of refusing them.

    Returns:
        `dataset` itself, or its rows with an intact image.

    Raises:
        UserError: Channels that are neither 1 nor 3; no such column, or one without the feature
            `datasets.Image`; images that cannot be decoded (with their number and the first), or
            none that can (an image of width or height zero is one of those); an image of a mode that
            is not in `MODES`, such as 16-bit grey, or of another size where sizes must agree.
    """
    if num_channels is not None and num_channels not in CHANNELS:
        raise UserError(
            f"{argument}: the model takes images of {num_channels} channels (num_channels); "
            "allowed are 1 (grey) and 3 (RGB)"
        )
    _check_feature(dataset, column, argument)
    corrupt = np.zeros(len(dataset), bool)
    first_corrupt: _Seen | None = None
    first_whole: _Seen | None = None
    for row, image in enumerate(_decoded(dataset, column, argument)):
        if image.fault:
            corrupt[row] = True
            first_corrupt = first_corrupt or image
            continue
        _check_mode(image, column, argument)
        first_whole = first_whole or image
        if not fixed_size and image.size != first_whole.size:
            raise UserError(
                f"{argument}: column {column!r} holds images of several sizes, and the image processor does not "
                f"resize them: {_by(first_whole.size)} ({first_whole.name}) and {_by(image.size)} ({image.name})"
            )
    if first_corrupt is None:
        return dataset
    return _without(dataset, corrupt, first_corrupt, f"{argument}: column {column!r}", skip_corrupt)


def _check_feature(dataset: Dataset, column: str, argument: str) -> None:
    check_column(dataset, column, argument, "image_column")
    feature = dataset.features[column]
    if not is_image_column(dataset, column) or not feature.decode:
        raise UserError(
            f"{argument}: column {column!r} has the feature {feature}, not datasets.Image(); if it holds paths or "
            f"bytes of image files, use dataset.cast_column({column!r}, datasets.Image())"
        )


def _decoded(dataset: Dataset, column: str, argument: str) -> Iterator[_Seen]:
    hidden = len(dataset) <= PROGRESS_ROWS
    threads = min(8, os.cpu_count() or 1)
    large = False
    with (
        tqdm(total=len(dataset), desc=f"Checking images of {argument}", unit="", disable=hidden) as bar,
        ThreadPoolExecutor(threads) as pool,
    ):
        for start, images in stored_images(dataset, column, BATCH_IMAGES):
            rows = range(start, start + len(images))
            seen = list(pool.map(_look, images, rows) if large else map(_look, images, rows))
            large = seen[0].size[0] * seen[0].size[1] > LARGE_PIXELS
            yield from seen
            bar.update(len(seen))


def _look(stored: dict[str, Any] | None, row: int) -> _Seen:
    from PIL import UnidentifiedImageError

    path = stored["path"] if stored else None
    name = f"row {row}, {path!r}" if path else f"row {row}"
    if stored is None or (path is None and stored["bytes"] is None):
        return _Seen(name, fault="no image")
    try:
        # As the file has it: a mode that the feature asks for would hide what is lost.
        image = Image().decode_example(stored)
    except UnidentifiedImageError:
        return _Seen(name, fault="not a file of a known image format")
    except Exception as error:  # a broken file has more kinds of failure than can be listed
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        return _Seen(name, fault=" ".join(f"{type(error).__name__}: {reason}".split()))
    return _Seen(name, image.size, image.mode)


def _check_mode(image: _Seen, column: str, argument: str) -> None:
    if image.mode not in MODES:
        raise UserError(
            f"{argument}: column {column!r} has an image of mode {image.mode}, which 8 bits a channel cannot hold "
            f"unchanged: {image.name}; allowed are {', '.join(MODES)}"
        )


def _without(dataset: Dataset, corrupt: np.ndarray, first: _Seen, where: str, skip: bool) -> Dataset:
    """The rows whose image is intact."""
    count = int(corrupt.sum())
    what = f"{count} of {len(dataset)} images cannot be decoded; the first is {first.name}: {first.fault}"
    if count == len(dataset):
        raise UserError(f"{where}: {what}")
    if not skip:
        raise UserError(f"{where}: {what}. skip_corrupt_images=True leaves them out")
    logger.warning("%s: %s. They are left out.", where, what)
    return dataset.select(np.flatnonzero(~corrupt))


def _by(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"

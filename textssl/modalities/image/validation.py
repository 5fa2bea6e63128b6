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

from ...augment.image.pixels import changed_share, eight_bit
from ...data.columns import check_column
from ...data.image_tables import is_image_column, stored_images
from ...errors import UserError
from ...notices import warn_once


__all__ = ["CHANGED", "DEEP", "REMEDY", "SeenImage", "check_images", "seen_image"]

CHANNELS = (1, 3)
BATCH_IMAGES = 64
# Fewer images are read before a bar would be of use.
PROGRESS_ROWS = 2000
# Threads pay off for photographs; of small images, decoding is less work than handing them over.
LARGE_PIXELS = 128 * 128
# Of the pixels of an image: what 8 bits may change of it without a word.
CHANGED = 0.01
# By how much an image's width may be stretched against its height, and of how many images, without a word.
STRETCHED, STRETCHED_IMAGES = 1.2, 0.1

UNDECODED = "cannot be decoded"
DEEP = "have more than 8 bits a channel, which pipeline cuts off at 255, and so would training"
REMEDY = "Save them with 8 bits; of 16 bits by Image.fromarray((np.asarray(image) / 257).astype('uint8'))"

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class SeenImage:
    """A decoded image: its size, the share of it that 8 bits change, what is wrong with it if anything, its mode."""

    name: str
    size: tuple[int, int] = (0, 0)
    changed: float = 0.0
    fault: str = ""
    mode: str = ""


def check_images(
    dataset: Dataset,
    column: str,
    argument: str,
    *,
    num_channels: int | None = None,
    fixed_size: bool = True,
    squeezed_to: tuple[int, int] | None = None,
    skip_corrupt: bool | None = False,
) -> Dataset:
    """Check that each value of a column is an image which can be decoded, and of a usable kind.

    Every image is read and decoded once, large ones on several threads. An image of more than 8 bits a channel is
    read as transformers' ``pipeline`` reads it, cut off at 255; one of which this changes more than a hundredth is
    refused, for training would see it white.

    Args:
        dataset: N rows.
        column: A column with the feature `datasets.Image`.
        argument: What the messages call the data set.
        num_channels: The channels that the model takes: 1 for grey, 3 for RGB; `None` if it does
            not say.
        fixed_size: Whether the image processor resizes all images to one size. If it does not, all
            must have the size of the first.
        squeezed_to: Height and width that the image processor squeezes all images into; `None` if it keeps their
            proportions. A warning tells when a tenth of the images is stretched by more than 1.2.
        skip_corrupt: Leave out images that are missing, cannot be decoded or need more than 8 bits, with a warning,
            instead of refusing them; `None` where the caller has no such setting, so that messages name none.

    Returns:
        `dataset` itself, or its rows with an intact image.

    Raises:
        UserError: Channels that are neither 1 nor 3; no such column, or one without the feature
            `datasets.Image`; images that cannot be decoded or need more than 8 bits (with their number and the
            first), or none that can (an image of width or height zero is one of those); an image of
            another size where sizes must agree.
    """
    if num_channels is not None and num_channels not in CHANNELS:
        raise UserError(
            f"{argument}: the model takes images of {num_channels} channels (num_channels); "
            "allowed are 1 (grey) and 3 (RGB)"
        )
    _check_feature(dataset, column, argument)
    left_out = np.zeros(len(dataset), bool)
    faults: dict[str, list[SeenImage]] = {}
    first_whole: SeenImage | None = None
    stretches = []
    for row, image in enumerate(_decoded(dataset, column, argument)):
        if image.fault or image.changed > CHANGED:
            left_out[row] = True
            faults.setdefault(UNDECODED if image.fault else DEEP, []).append(image)
            continue
        first_whole = first_whole or image
        if squeezed_to is not None:
            stretches.append(image.size[0] / image.size[1] * squeezed_to[0] / squeezed_to[1])
        if not fixed_size and image.size != first_whole.size:
            raise UserError(
                f"{argument}: column {column!r} holds images of several sizes, and the image processor does not "
                f"resize them: {_by(first_whole.size)} ({first_whole.name}) and {_by(image.size)} ({image.name})"
            )
    where = f"{argument}: column {column!r}"
    if squeezed_to is not None:
        _warn_of_stretched(stretches, squeezed_to, where)
    return _without(dataset, left_out, faults, where, skip_corrupt) if faults else dataset


def _check_feature(dataset: Dataset, column: str, argument: str) -> None:
    check_column(dataset, column, argument, "image_column")
    feature = dataset.features[column]
    if not is_image_column(dataset, column) or not feature.decode:
        raise UserError(
            f"{argument}: column {column!r} has the feature {feature}, not datasets.Image(); if it holds paths or "
            f"bytes of image files, use dataset.cast_column({column!r}, datasets.Image())"
        )


def _decoded(dataset: Dataset, column: str, argument: str) -> Iterator[SeenImage]:
    hidden = len(dataset) <= PROGRESS_ROWS
    threads = min(8, os.cpu_count() or 1)
    large = False
    with (
        tqdm(total=len(dataset), desc=f"Checking images of {argument}", unit="", disable=hidden) as bar,
        ThreadPoolExecutor(threads) as pool,
    ):
        for start, images in stored_images(dataset, column, BATCH_IMAGES):
            rows = range(start, start + len(images))
            seen = list(pool.map(seen_image, images, rows) if large else map(seen_image, images, rows))
            large = seen[0].size[0] * seen[0].size[1] > LARGE_PIXELS
            yield from seen
            bar.update(len(seen))


def seen_image(stored: dict[str, Any] | None, row: int) -> SeenImage:
    """Decode an image as it is stored, the one of row ``row``."""
    from PIL import UnidentifiedImageError

    path = stored["path"] if stored else None
    name = f"row {row}, {path!r}" if path else f"row {row}"
    if stored is None or (path is None and stored["bytes"] is None):
        return SeenImage(name, fault="no image")
    try:
        # As the file has it: a mode that the feature asks for would hide what is lost.
        image = Image().decode_example(stored)
    except UnidentifiedImageError:
        return SeenImage(name, fault="not a file of a known image format")
    except Exception as error:  # a broken file has more kinds of failure than can be listed
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        return SeenImage(name, fault=" ".join(f"{type(error).__name__}: {reason}".split()))
    try:
        changed = changed_share(image)
        eight_bit(image)
    except (UserError, ValueError) as error:
        return SeenImage(name, fault=" ".join(str(error).split()))
    return SeenImage(name, image.size, changed, mode=image.mode)


def _without(
    dataset: Dataset, left_out: np.ndarray, faults: dict[str, list[SeenImage]], where: str, skip: bool | None
) -> Dataset:
    """The rows whose image is intact."""
    problems = []
    for kind, images in faults.items():
        first = images[0]
        detail = f"{100 * first.changed:.0f} % of its pixels. {REMEDY}" if kind == DEEP else first.fault
        problems.append(f"{len(images)} of {len(dataset)} images {kind}; the first is {first.name}: {detail}")
    what = f"{where}: {'; '.join(problems)}"
    if left_out.all():
        raise UserError(what)
    if skip is None:
        raise UserError(f"{what}. Replace or remove these files")
    if not skip:
        raise UserError(f"{what}. skip_corrupt_images=True leaves them out")
    logger.warning("%s. They are left out.", what)
    return dataset.select(np.flatnonzero(~left_out))


def _warn_of_stretched(stretches: list[float], size: tuple[int, int], where: str) -> None:
    """Warn where the image processor changes the proportions of many images."""
    factors = np.array([max(stretch, 1 / stretch) for stretch in stretches])
    far = factors[factors > STRETCHED]
    if len(far) > STRETCHED_IMAGES * len(factors):
        warn_once(
            logger,
            f"{where}: the image processor squeezes all images into {size[1]}x{size[0]} pixels, which stretches "
            f"{len(far)} of {len(factors)} by more than {STRETCHED}, half of these by more than {np.median(far):.2g}; "
            "crop or pad them, or take a processor that resizes the shorter side and crops the centre",
        )


def _by(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"

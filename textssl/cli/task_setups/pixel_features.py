"""Images as feature vectors: embeddings, or of small images their pixels."""

from __future__ import annotations

from typing import Any

import datasets
import numpy as np

from ...augment.image.pixels import eight_bit
from ...data.vectors import with_features
from ...errors import UserError
from ...features import VisionEncoder, embed_images
from ..console import progress
from ..options import rename_argument_in_errors
from .image_models import load_image_encoder


__all__ = ["PIXELS", "image_encoder_of", "with_image_features", "with_pixel_features"]

# What ``--model`` calls them.
PIXELS = "pixels"
# Of larger images they are features only if asked for by name.
SMALL = 64 * 64


def image_encoder_of(model: str, size: tuple[int, int]) -> VisionEncoder | None:
    """What makes the features of images, as ``--model`` says; ``None`` for their pixels.

    Args:
        model: an image encoder, ``pixels``, or ``embedded``: the pixels of small images.
        size: width and height of an image.

    Raises:
        UserError: no such encoder, or images of which nobody would take the pixels without saying so.
    """
    if model not in ("embedded", PIXELS):
        with rename_argument_in_errors("model", "encoder", "model"):
            return load_image_encoder(model)
    if model == "embedded" and size[0] * size[1] > SMALL:
        raise UserError(
            f"model: got 'embedded'; no image encoder is embedded, and images of {size[0]}x{size[1]} have "
            f"{size[0] * size[1]:,} pixels; name an image encoder, such as facebook/dinov2-small, or {PIXELS} to take "
            "these as features"
        )
    return None


def with_image_features(
    dataset: datasets.Dataset,
    column: str,
    into: str,
    encoder: VisionEncoder | None,
    size: tuple[int, int],
    **places: Any,
) -> datasets.Dataset:
    """Put a vector in the place of each image: of ``encoder``, without one of its pixels.

    Args:
        dataset: the images.
        column: of the images.
        into: name of the new column.
        encoder: ``None`` for pixels.
        size: width and height that each must have, for pixels.
        **places: of the cache, for :func:`textssl.features.embed_images`.
    """
    if encoder is None:
        return with_pixel_features(dataset, column, into, size)
    return embed_images(dataset, column, encoder, into=into, progress=progress, **places).remove_columns(column)


def with_pixel_features(dataset: datasets.Dataset, column: str, into: str, size: tuple[int, int]) -> datasets.Dataset:
    """Give each image's gray pixels, in [0, 1], as a vector in the place of the image.

    Images are decoded one at a time: beside the vectors, 4 bytes a pixel, no memory is needed.

    Args:
        dataset: the images.
        column: of the images.
        into: name of the new column.
        size: width and height that each must have.

    Raises:
        UserError: an image of another size.
    """
    vectors = np.empty((len(dataset), size[0] * size[1]), np.float32)
    for number, row in enumerate(dataset.select_columns([column]).with_format(None)):
        image = eight_bit(row[column])
        if image.size != size:
            raise UserError(
                f"backend: got 'features', for which all images must have one size; the first is {size[0]}x{size[1]}, "
                f"row {number} of column {column!r} is {image.size[0]}x{image.size[1]}; --model names an image "
                "encoder that takes all sizes"
            )
        vectors[number] = np.asarray(image.convert("L")).reshape(-1)
    vectors /= 255
    return with_features(dataset, into, vectors).remove_columns(column)

"""Small images as feature vectors: their pixels."""

from __future__ import annotations

import datasets
import numpy as np

from ..data.feature_validation import with_features
from ..errors import UserError


__all__ = ["with_pixel_features"]


def with_pixel_features(dataset: datasets.Dataset, column: str, into: str, size: tuple[int, int]) -> datasets.Dataset:
    """Give each image's gray pixels, in [0, 1], as a vector in the place of the image.

    Args:
        dataset: the images.
        column: of the images.
        into: name of the new column.
        size: width and height that each must have.

    Raises:
        UserError: an image of another size.
    """
    rows = []
    for number, image in enumerate(dataset[column]):
        if image.size != size:
            raise UserError(
                f"backend: got 'features', for which all images must have one size; the first is {size[0]}x{size[1]}, "
                f"row {number} of column {column!r} is {image.size[0]}x{image.size[1]}"
            )
        rows.append(np.asarray(image.convert("L"), dtype=np.float32).reshape(-1) / 255)
    return with_features(dataset, into, np.stack(rows)).remove_columns(column)

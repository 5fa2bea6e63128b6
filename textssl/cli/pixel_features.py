"""Small images as feature vectors: their pixels."""

from __future__ import annotations

import datasets
import numpy as np

from ..data.feature_validation import with_features
from ..errors import UserError


__all__ = ["with_pixel_features"]


def with_pixel_features(dataset: datasets.Dataset, column: str, into: str) -> datasets.Dataset:
    """Give each image's gray pixels, in [0, 1], as a vector in the place of the image.

    Args:
        dataset: images of one size.
        column: of the images.
        into: name of the new column.

    Raises:
        UserError: images of several sizes.
    """
    rows = [np.asarray(image.convert("L"), dtype=np.float32).reshape(-1) / 255 for image in dataset[column]]
    size = len(rows[0])
    if any(len(row) != size for row in rows):
        raise UserError(f"backend: got 'features'; the images of column {column!r} are of several sizes")
    return with_features(dataset, into, np.stack(rows)).remove_columns(column)

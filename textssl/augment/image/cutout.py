"""Cutout: a square of the image is covered (DeVries & Taylor, 2017, arXiv:1708.04552)."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...errors import UserError
from .pixels import check_gray, check_share, cover, image_of


__all__ = ["Cutout"]


class Cutout:
    """Covers a gray square whose centre is uniform over the pixels; what reaches over the border is lost.

    *Differs from the paper in.* The paper covers with the mean of the data set; here it is a gray for all.

    Args:
        share: side of the square, as a share of the shorter side of the image; the paper has 16 of 32 pixels for
            CIFAR-10.
        pixels: side in pixels, instead of ``share``.
        fill: gray of the square, 0 to 255.
        column: what holds the image.

    Raises:
        UserError: share outside [0, 1], pixels below 0, or a fill outside 0 to 255.
    """

    def __init__(self, share: float = 0.5, pixels: int | None = None, fill: int = 127, column: str = "image") -> None:
        check_share("share", share)
        if pixels is not None and pixels < 0:
            raise UserError(f"pixels: got {pixels}; expected 0 or more")
        check_gray("fill", fill)
        self.share = share
        self.pixels = pixels
        self.fill = fill
        self.column = column

    def __call__(self, example: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
        """Return ``example`` with its image covered in part."""
        image = image_of(example, self.column)
        side = round(self.share * min(image.size)) if self.pixels is None else self.pixels
        x, y = rng.random(2).tolist()
        return {**example, self.column: cover(image, side, (x, y), self.fill)}

"""Weak views of an image: mirrored and moved a little, as in FixMatch (Sohn et al., 2020, arXiv:2001.07685)."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from PIL import Image

from ...errors import UserError
from ..views import Augmentation, Chain
from .pixels import check_gray, check_share, image_of, moved


__all__ = ["HorizontalFlip", "Shift", "weak_view"]


class HorizontalFlip:
    """Mirrors left and right. Not for digits and letters, whose mirror images are of no class.

    Args:
        p: probability of mirroring.
        column: what holds the image.

    Raises:
        UserError: p outside [0, 1].
    """

    def __init__(self, p: float = 0.5, column: str = "image") -> None:
        check_share("p", p)
        self.p = p
        self.column = column

    def __call__(self, example: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
        """Return ``example`` with its image mirrored or not."""
        image = image_of(example, self.column)
        if rng.random() < self.p:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        return {**example, self.column: image}


class Shift:
    """Pads the image on all sides and crops it back to its size at a uniformly random place.

    So width and height move by w and h pixels at most, w and h being ``share`` of each, and each of the
    (2w + 1)(2h + 1) moves is as likely.

    Args:
        share: of the side; 0.125, FixMatch's, is 4 of 32 pixels.
        fill: ``"reflect"`` pads by the mirrored image, without doubling the border; ``"edge"`` by the border;
            a number from 0 to 255 by that gray.
        pixels: most pixels of a move, instead of ``share``.
        column: what holds the image.

    Raises:
        UserError: share outside [0, 1], pixels below 0, another fill; and, when called, a move by the whole side or
            more, which leaves nothing to mirror.
    """

    def __init__(
        self,
        share: float = 0.125,
        fill: str | int = "reflect",
        pixels: int | None = None,
        column: str = "image",
    ) -> None:
        check_share("share", share)
        if isinstance(fill, str):
            if fill not in ("reflect", "edge"):
                raise UserError(f"fill: got {fill!r}; expected 'reflect', 'edge' or a whole number from 0 to 255")
        else:
            check_gray("fill", fill)
        if pixels is not None and pixels < 0:
            raise UserError(f"pixels: got {pixels}; expected 0 or more")
        self.share = share
        self.fill = fill
        self.pixels = pixels
        self.column = column

    def __call__(self, example: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
        """Return ``example`` with its image moved."""
        image = image_of(example, self.column)
        x, y = rng.random(2).tolist()
        right, down = self._move(x, image.width), self._move(y, image.height)
        if isinstance(self.fill, int):
            shifted = moved(image, right, down, self.fill)
        else:
            rows = _sources(image.height, down, self.fill)
            columns = _sources(image.width, right, self.fill)
            shifted = Image.fromarray(np.asarray(image)[rows][:, columns])
        return {**example, self.column: shifted}

    def _move(self, uniform: float, side: int) -> int:
        most = round(self.share * side) if self.pixels is None else self.pixels
        if most >= side and most > 0:
            name, value = ("share", self.share) if self.pixels is None else ("pixels", self.pixels)
            raise UserError(f"{name}: got {value}, a move by {most} of {side} pixels; expected less than the side")
        return int(uniform * (2 * most + 1)) - most


@lru_cache(maxsize=4096)
def _sources(side: int, move: int, fill: str) -> np.ndarray:
    """For each row or column of the result, which one of the image it shows."""
    places = np.arange(side) - move
    if fill == "edge":
        return places.clip(0, side - 1)
    # Mirrored at the first and the last pixel.
    return side - 1 - np.abs(side - 1 - np.abs(places))


def weak_view(flip: bool = False, share: float = 0.125, fill: str | int = "reflect", column: str = "image") -> Chain:
    """FixMatch's weak view: mirrored or not, then moved by up to an eighth of the side.

    Args:
        flip: whether mirror images are of the same class: true of animals and clothes, not of digits.
        share: greatest move, as a share of the side.
        fill: what is padded with; see :class:`Shift`.
        column: what holds the image.

    Raises:
        UserError: as :class:`Shift` does.
    """
    steps: list[Augmentation] = [HorizontalFlip(column=column)] if flip else []
    return Chain([*steps, Shift(share, fill, column=column)])

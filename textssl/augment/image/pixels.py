"""What all image augmentations share: reading the column, checking arguments, moving and covering pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image

from ...errors import UserError


__all__ = ["changed_share", "check_gray", "check_share", "cover", "eight_bit", "fill_color", "image_of", "moved"]

# Gray modes; all others are read as RGB. More than 8 bits are cut off at 0 and 255, as Pillow's conversion to RGB and
# with it transformers' ``pipeline`` do.
DEEP = ("I", "F", "I;16", "I;16L", "I;16B", "I;16N")
GRAY = ("1", "L", "LA", *DEEP)


def image_of(example: dict[str, Any], column: str) -> Image.Image:
    """The image of an example, of mode L or RGB.

    Raises:
        UserError: the column is missing, holds no ``PIL.Image.Image``, or one of a mode that Pillow does not convert.
    """
    if column not in example:
        raise UserError(f"column: got {column!r}; the data have {sorted(example)}")
    image = example[column]
    if not isinstance(image, Image.Image):
        raise UserError(
            f"column: {column!r} holds {type(image).__name__}; expected PIL.Image.Image, "
            "which a column cast to datasets.Image() decodes to"
        )
    return eight_bit(image)


def eight_bit(image: Image.Image) -> Image.Image:
    """The image itself if its mode is L or RGB, else a copy in the nearer of the two; transparency is dropped.

    Pixels are those of ``image.convert("RGB")``, with which transformers' ``pipeline`` begins.

    Raises:
        UserError: a mode that Pillow does not convert.
    """
    mode = "L" if image.mode in GRAY else "RGB"
    if image.mode == mode:
        return image
    try:
        return image.convert(mode)
    except ValueError as error:
        raise UserError(f"image: got mode {image.mode!r}, which Pillow cannot read as {mode} ({error})") from error


def changed_share(image: Image.Image) -> float:
    """Share of the pixels that 8 bits cannot hold, which :func:`eight_bit` changes; 0 for a mode of 8 bits or less."""
    if image.mode not in DEEP:
        return 0.0
    return float((np.asarray(image) != np.asarray(image.convert("L"))).mean())


def check_share(name: str, value: float) -> None:
    """Raise UserError unless ``value`` lies in [0, 1]."""
    if not 0 <= value <= 1:
        raise UserError(f"{name}: got {value}; expected a number in [0, 1]")


def check_gray(name: str, value: object) -> None:
    """Raise UserError unless ``value`` is a whole number from 0 (black) to 255 (white)."""
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= 255:
        raise UserError(f"{name}: got {value!r}; expected a whole number from 0 to 255")


def fill_color(image: Image.Image, fill: int) -> int | tuple[int, int, int]:
    """The gray ``fill`` as Pillow wants it; a bare number would be a dark red in RGB."""
    return fill if image.mode == "L" else (fill, fill, fill)


def moved(image: Image.Image, right: int, down: int, fill: int) -> Image.Image:
    """A copy with its content moved by whole pixels, and gray ``fill`` where nothing was."""
    # The matrix leads from a pixel of the result to where it comes from.
    matrix = (1, 0, -right, 0, 1, -down)
    return image.transform(
        image.size, Image.Transform.AFFINE, matrix, Image.Resampling.NEAREST, fillcolor=fill_color(image, fill)
    )


def cover(image: Image.Image, side: int, place: tuple[float, float], fill: int) -> Image.Image:
    """A copy with a gray square on it, which may reach over the border.

    Args:
        image: of mode L or RGB.
        side: of the square, in pixels.
        place: its centre, as shares in [0, 1) of width and height.
        fill: its gray, 0 to 255.
    """
    left = int(place[0] * image.width) - side // 2
    top = int(place[1] * image.height) - side // 2
    covered = image.copy()
    covered.paste(fill_color(image, fill), (left, top, left + side, top + side))
    return covered

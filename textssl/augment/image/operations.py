"""The operations that RandAugment draws from, and the ranges that UDA and FixMatch give them.

Each takes an 8-bit image of mode L or RGB, a value, and the gray of what a geometric operation uncovers, and
returns a new image. Pixels that are moved are taken from the nearest one, as in the authors' code. The results
equal those of ``PIL.ImageOps`` and ``PIL.ImageEnhance``; small images only get there sooner.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
from PIL import Image, ImageFilter

from .pixels import cover, fill_color, moved


__all__ = ["FIXMATCH", "UDA", "Operation"]


@dataclass(frozen=True)
class Operation:
    """What is done to an image, and how much of it.

    Args:
        change: ``(image, value, fill) -> image``; one that is ``placed`` takes ``(image, value, fill, place)``.
        weakest: value at strength 0.
        strongest: value at strength 1.
        signed: take the value or, as likely, its negative.
        placed: needs a place in the image.
    """

    change: Callable[..., Image.Image]
    weakest: float = 0.0
    strongest: float = 0.0
    signed: bool = False
    placed: bool = False

    def __call__(self, image: Image.Image, strength: float, place: tuple[float, float], fill: int) -> Image.Image:
        """Return the changed image.

        Args:
            image: of mode L or RGB; it stays as it is.
            strength: in [0, 1].
            place: two uniform numbers in [0, 1); the first decides on the sign.
            fill: gray of uncovered pixels, 0 to 255.
        """
        value = self.weakest + strength * (self.strongest - self.weakest)
        if self.placed:
            return self.change(image, value, fill, place)
        return self.change(image, -value if self.signed and place[0] < 0.5 else value, fill)


def _mapped(image: Image.Image, tables: list[bytes]) -> Image.Image:
    """Each value of a band replaced by that of its table; ``Image.point`` would take ten times as long."""
    if len(tables) == 1:
        return Image.frombytes(image.mode, image.size, image.tobytes().translate(tables[0]))
    bands = [
        Image.frombytes("L", image.size, band.tobytes().translate(table))
        for band, table in zip(image.split(), tables, strict=True)
    ]
    return Image.merge(image.mode, bands)


@cache
def _stretching(low: int, high: int) -> bytes:
    if high <= low:
        return bytes(range(256))
    scale = 255 / (high - low)
    return bytes(min(max(int(value * scale - low * scale), 0), 255) for value in range(256))


@cache
def _solarizing(threshold: int) -> bytes:
    return bytes(value if value < threshold else 255 - value for value in range(256))


@cache
def _posterizing(bits: int) -> bytes:
    return bytes(value & -(1 << (8 - bits)) & 255 for value in range(256))


def _identity(image: Image.Image, value: float, fill: int) -> Image.Image:
    return image


def _autocontrast(image: Image.Image, value: float, fill: int) -> Image.Image:
    """Stretch each band to 0..255."""
    extrema = image.getextrema()
    bands = [extrema] if image.mode == "L" else extrema
    return _mapped(image, [_stretching(low, high) for low, high in bands])  # type: ignore[misc]


def _equalize(image: Image.Image, value: float, fill: int) -> Image.Image:
    """Make the values of each band about equally frequent."""
    counts = np.array(image.histogram()).reshape(-1, 256)
    below = counts.cumsum(1) - counts
    # All but the pixels of the greatest value, spread over 255 steps; none is left in a band of one value.
    steps = below.max(1, where=counts > 0, initial=0)[:, None] // 255
    levels = (steps // 2 + below) // np.maximum(steps, 1)
    levels = np.where(steps > 0, np.minimum(levels, 255), np.arange(256))
    return _mapped(image, [band.tobytes() for band in levels.astype(np.uint8)])


def _invert(image: Image.Image, value: float, fill: int) -> Image.Image:
    return _mapped(image, [_solarizing(0)])


def _solarize(image: Image.Image, threshold: float, fill: int) -> Image.Image:
    """Invert values of ``threshold`` and above."""
    return _mapped(image, [_solarizing(math.ceil(threshold))])


def _posterize(image: Image.Image, bits: float, fill: int) -> Image.Image:
    """Keep the upper ``bits`` of each value; a broken number is rounded up."""
    return _mapped(image, [_posterizing(math.ceil(bits))])


def _brightness(image: Image.Image, factor: float, fill: int) -> Image.Image:
    """0 is black, 1 the image."""
    return Image.blend(Image.new(image.mode, image.size, 0), image, factor)


def _contrast(image: Image.Image, factor: float, fill: int) -> Image.Image:
    """0 is the image's mean gray, 1 the image."""
    mean = int(np.asarray(image.convert("L")).mean() + 0.5)
    return Image.blend(Image.new(image.mode, image.size, fill_color(image, mean)), image, factor)


def _color(image: Image.Image, factor: float, fill: int) -> Image.Image:
    """0 is black and white, 1 the image."""
    if image.mode == "L":
        return image
    return Image.blend(image.convert("L").convert("RGB"), image, factor)


def _sharpness(image: Image.Image, factor: float, fill: int) -> Image.Image:
    """0 is smoothed, 1 the image."""
    return Image.blend(image.filter(ImageFilter.SMOOTH), image, factor)


def _rotate(image: Image.Image, degrees: float, fill: int) -> Image.Image:
    return image.rotate(degrees, Image.Resampling.NEAREST, fillcolor=fill_color(image, fill))


def _sheared(image: Image.Image, x: float, y: float, fill: int) -> Image.Image:
    matrix = (1, x, 0, y, 1, 0)
    return image.transform(
        image.size, Image.Transform.AFFINE, matrix, Image.Resampling.NEAREST, fillcolor=fill_color(image, fill)
    )


def _shear_x(image: Image.Image, slope: float, fill: int) -> Image.Image:
    """Move each row by ``slope`` pixels more than the one above; the topmost stays."""
    return _sheared(image, slope, 0, fill)


def _shear_y(image: Image.Image, slope: float, fill: int) -> Image.Image:
    return _sheared(image, 0, slope, fill)


def _translate_x(image: Image.Image, share: float, fill: int) -> Image.Image:
    """Move to the right by a share of the width."""
    return moved(image, round(share * image.width), 0, fill)


def _translate_y(image: Image.Image, share: float, fill: int) -> Image.Image:
    """Move down by a share of the height."""
    return moved(image, 0, round(share * image.height), fill)


def _cutout(image: Image.Image, share: float, fill: int, place: tuple[float, float]) -> Image.Image:
    """Cover a square, its side a share of the image's shorter one."""
    return cover(image, int(share * min(image.size)), place, fill)


FIXMATCH = {
    "autocontrast": Operation(_autocontrast),
    "brightness": Operation(_brightness, 0.95, 0.05),
    "color": Operation(_color, 0.95, 0.05),
    "contrast": Operation(_contrast, 0.95, 0.05),
    "equalize": Operation(_equalize),
    "identity": Operation(_identity),
    # Rounded up, so that each of 8 to 4 bits comes of a fifth of the strengths; strength 1 is still 4.
    "posterize": Operation(_posterize, 8, 3.0001),
    "rotate": Operation(_rotate, 0, 30, signed=True),
    "sharpness": Operation(_sharpness, 0.95, 0.05),
    "shear_x": Operation(_shear_x, 0, 0.3, signed=True),
    "shear_y": Operation(_shear_y, 0, 0.3, signed=True),
    "solarize": Operation(_solarize, 256, 0),
    "translate_x": Operation(_translate_x, 0, 0.3, signed=True),
    "translate_y": Operation(_translate_y, 0, 0.3, signed=True),
}

UDA = {
    "invert": Operation(_invert),
    # 20 of CIFAR's 32 pixels, as a share.
    "cutout": Operation(_cutout, 0, 20 / 32, placed=True),
    "sharpness": Operation(_sharpness, 0.1, 1.9),
    "autocontrast": Operation(_autocontrast),
    "posterize": Operation(_posterize, 4, 0),
    "shear_x": Operation(_shear_x, 0, 0.3, signed=True),
    # 10 of CIFAR's 32 pixels.
    "translate_x": Operation(_translate_x, 0, 10 / 32, signed=True),
    "translate_y": Operation(_translate_y, 0, 10 / 32, signed=True),
    "shear_y": Operation(_shear_y, 0, 0.3, signed=True),
    "rotate": Operation(_rotate, 0, 30, signed=True),
    "equalize": Operation(_equalize),
    "contrast": Operation(_contrast, 0.1, 1.9),
    "color": Operation(_color, 0.1, 1.9),
    "solarize": Operation(_solarize, 256, 0),
    "brightness": Operation(_brightness, 0.1, 1.9),
}

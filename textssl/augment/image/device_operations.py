"""The operations of ``operations.py`` on batches of torch tensors, to the last bit of 8.

Each has two halves. The host turns the values of the rows, in float64 as Pillow does, into a few numbers for each.
The device changes pixels by these: levels [b, C, H, W], whole numbers from 0 to 255 in float32, which makes sums of
them exact, and numbers [b, 6]. Nothing on the device is ever read back.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .operations import FIXMATCH, UDA, Operation


__all__ = ["NUMBERS", "DeviceOperation", "boxes", "covered", "device_operation"]

# Numbers that the device needs of a row, at most: an affine matrix.
NUMBERS = 6

Size = tuple[int, int]


@dataclass(frozen=True)
class DeviceOperation:
    """One operation, for many rows at once.

    Args:
        numbers: ``(values [b], places [b, 2], (H, W)) -> [b, k]`` in float64, k being ``NUMBERS`` or less.
        change: ``(levels [b, C, H, W], numbers [b, NUMBERS], fill) -> levels``. Operations that share it can share
            a call.
    """

    numbers: Callable[[np.ndarray, np.ndarray, Size], np.ndarray]
    change: Callable[[Tensor, Tensor, int], Tensor]


def device_operation(operation: Operation) -> DeviceOperation:
    """What does to a batch what ``operation``, of Pillow, does to an image."""
    return ON_DEVICE[NAMES[operation.change]]


def boxes(sides: np.ndarray, places: np.ndarray, size: Size) -> np.ndarray:
    """Left, top and side [b, 3] of squares.

    Args:
        sides: [b], in pixels.
        places: [b, 2], centres as shares of width and height.
        size: height and width.
    """
    left = np.trunc(places[:, 0] * size[1]) - sides // 2
    top = np.trunc(places[:, 1] * size[0]) - sides // 2
    return np.stack([left, top, sides], 1)


def covered(x: Tensor, numbers: Tensor, fill: int) -> Tensor:
    """``x`` with gray squares on it: left, top, side."""
    left, top, side = (_each(numbers[:, i]) for i in range(3))
    rows, columns = _grid(x)
    inside = (rows >= top) & (rows < top + side) & (columns >= left) & (columns < left + side)
    return torch.where(inside, fill, x)


def _each(numbers: Tensor) -> Tensor:
    """[b] as [b, 1, 1, 1]."""
    return numbers[:, None, None, None]


def _grid(x: Tensor) -> tuple[Tensor, Tensor]:
    """Numbers of the rows [H, 1] and of the columns [W]."""
    height, width = x.shape[-2:]
    return torch.arange(height, device=x.device)[:, None], torch.arange(width, device=x.device)


def _nothing(values: np.ndarray, places: np.ndarray, size: Size) -> np.ndarray:
    return np.zeros((len(values), 1))


def _factors(values: np.ndarray, places: np.ndarray, size: Size) -> np.ndarray:
    return values[:, None]


def _thresholds(values: np.ndarray, places: np.ndarray, size: Size) -> np.ndarray:
    return np.ceil(values)[:, None]


def _steps(values: np.ndarray, places: np.ndarray, size: Size) -> np.ndarray:
    """Between the levels that so many bits can tell apart."""
    return 2.0 ** (8 - np.ceil(values))[:, None]


def _squares(values: np.ndarray, places: np.ndarray, size: Size) -> np.ndarray:
    return boxes(np.trunc(values * min(size)), places, size)


def _matrices(a: np.ndarray, b: np.ndarray, c: np.ndarray, d: np.ndarray, e: np.ndarray, f: np.ndarray) -> np.ndarray:
    """Where pixel (x, y) comes from: (a x + b y + c, d x + e y + f), in Pillow's steps of 1/65536 of a pixel."""
    # What is looked for is the pixel that holds the middle of the new one.
    middles = [a, b, c + a * 0.5 + b * 0.5, d, e, f + d * 0.5 + e * 0.5]
    return np.floor(np.stack(middles, 1) * 65536 + 0.5)


def _rotations(values: np.ndarray, places: np.ndarray, size: Size) -> np.ndarray:
    angles = -np.radians(values % 360.0)
    cos, sin = np.cos(angles).round(15), np.sin(angles).round(15)
    x, y = size[1] / 2, size[0] / 2
    return _matrices(cos, sin, x - cos * x - sin * y, -sin, cos, y + sin * x - cos * y)


def _shears_x(values: np.ndarray, places: np.ndarray, size: Size) -> np.ndarray:
    zeros, ones = np.zeros_like(values), np.ones_like(values)
    return _matrices(ones, values, zeros, zeros, ones, zeros)


def _shears_y(values: np.ndarray, places: np.ndarray, size: Size) -> np.ndarray:
    zeros, ones = np.zeros_like(values), np.ones_like(values)
    return _matrices(ones, zeros, zeros, values, ones, zeros)


def _moves_x(values: np.ndarray, places: np.ndarray, size: Size) -> np.ndarray:
    zeros, ones = np.zeros_like(values), np.ones_like(values)
    return _matrices(ones, zeros, -np.rint(values * size[1]), zeros, ones, zeros)


def _moves_y(values: np.ndarray, places: np.ndarray, size: Size) -> np.ndarray:
    zeros, ones = np.zeros_like(values), np.ones_like(values)
    return _matrices(ones, zeros, zeros, zeros, ones, -np.rint(values * size[0]))


def _kept(x: Tensor, numbers: Tensor, fill: int) -> Tensor:
    return x


def _moved(x: Tensor, numbers: Tensor, fill: int) -> Tensor:
    rows, columns = _grid(x)
    height, width = x.shape[-2:]
    a, b, c, d, e, f = (numbers[:, i, None, None].long() for i in range(NUMBERS))
    across = (a * columns + b * rows + c) >> 16
    down = (d * columns + e * rows + f) >> 16
    inside = (across >= 0) & (across < width) & (down >= 0) & (down < height)
    source = down.clamp(0, height - 1) * width + across.clamp(0, width - 1)
    moved = x.flatten(2).gather(2, source.flatten(1)[:, None].expand(-1, x.shape[1], -1))
    return torch.where(inside[:, None], moved.view_as(x), fill)


def _solarized(x: Tensor, numbers: Tensor, fill: int) -> Tensor:
    return torch.where(x < _each(numbers[:, 0]), x, 255 - x)


def _posterized(x: Tensor, numbers: Tensor, fill: int) -> Tensor:
    steps = _each(numbers[:, 0]).to(x.dtype)
    return (x / steps).floor() * steps


def _stretched(x: Tensor, numbers: Tensor, fill: int) -> Tensor:
    # Pillow cuts fractions off, so what is rounded otherwise than there could come out a level lower: hence float64,
    # and a true division, which that of a number by a tensor is not.
    low, high = x.amin((2, 3), keepdim=True).double(), x.amax((2, 3), keepdim=True).double()
    scale = torch.full_like(low, 255) / (high - low)
    stretched = (x * scale - low * scale).clamp(0, 255).floor().to(x.dtype)
    return torch.where(high > low, stretched, x)


def _equalized(x: Tensor, numbers: Tensor, fill: int) -> Tensor:
    bands = x.flatten(0, 1).flatten(1).long()
    first = torch.arange(len(bands), device=x.device)[:, None] * 256
    counts = torch.zeros(len(bands) * 256, dtype=torch.long, device=x.device)
    counts = counts.scatter_add(0, (bands + first).flatten(), torch.ones_like(bands).flatten()).view(-1, 256)
    below = counts.cumsum(1) - counts
    steps = below.masked_fill(counts == 0, 0).amax(1, keepdim=True) // 255
    levels = ((steps // 2 + below) // steps.clamp(min=1)).clamp(max=255)
    levels = torch.where(steps > 0, levels, torch.arange(256, device=x.device))
    return levels.gather(1, bands).view(x.shape).to(x.dtype)


def _blended(other: Tensor, x: Tensor, numbers: Tensor) -> Tensor:
    """Pillow blends in float32, and cuts fractions off."""
    factor = _each(numbers[:, 0]).to(x.dtype)
    return (other + factor * (x - other)).clamp(0, 255).floor()


def _gray(x: Tensor) -> Tensor:
    """Pillow's conversion to mode L, [b, 1, H, W]; all sums are below 2^24, so exact in float32."""
    if x.shape[1] == 1:
        return x
    red, green, blue = x.split(1, 1)
    return ((red * 19595 + green * 38470 + blue * 7471 + 32768) / 65536).floor()


def _brightened(x: Tensor, numbers: Tensor, fill: int) -> Tensor:
    return _blended(torch.zeros_like(x), x, numbers)


def _contrasted(x: Tensor, numbers: Tensor, fill: int) -> Tensor:
    area = x.shape[2] * x.shape[3]
    total = _gray(x).long().sum((1, 2, 3), keepdim=True)
    # Rounded up at one half.
    return _blended(((2 * total + area) // (2 * area)).to(x.dtype), x, numbers)


def _colored(x: Tensor, numbers: Tensor, fill: int) -> Tensor:
    return _blended(_gray(x), x, numbers)


def _sharpened(x: Tensor, numbers: Tensor, fill: int) -> Tensor:
    if min(x.shape[2:]) < 3:
        return x
    lines = x[..., :-2, :] + x[..., 1:-1, :] + x[..., 2:, :]
    sums = lines[..., :-2] + lines[..., 1:-1] + lines[..., 2:]
    smooth = x.clone()
    # A thirteenth is never near one half, so how it is rounded does not matter.
    smooth[..., 1:-1, 1:-1] = ((sums + 4 * x[..., 1:-1, 1:-1]) / 13 + 0.5).floor()
    return _blended(smooth, x, numbers)


ON_DEVICE = {
    "autocontrast": DeviceOperation(_nothing, _stretched),
    "brightness": DeviceOperation(_factors, _brightened),
    "color": DeviceOperation(_factors, _colored),
    "contrast": DeviceOperation(_factors, _contrasted),
    "cutout": DeviceOperation(_squares, covered),
    "equalize": DeviceOperation(_nothing, _equalized),
    "identity": DeviceOperation(_nothing, _kept),
    # Solarized from 0 on.
    "invert": DeviceOperation(_nothing, _solarized),
    "posterize": DeviceOperation(_steps, _posterized),
    "rotate": DeviceOperation(_rotations, _moved),
    "sharpness": DeviceOperation(_factors, _sharpened),
    "shear_x": DeviceOperation(_shears_x, _moved),
    "shear_y": DeviceOperation(_shears_y, _moved),
    "solarize": DeviceOperation(_thresholds, _solarized),
    "translate_x": DeviceOperation(_moves_x, _moved),
    "translate_y": DeviceOperation(_moves_y, _moved),
}

# The tables differ in ranges, not in what is done.
NAMES = {operation.change: name for table in (UDA, FIXMATCH) for name, operation in table.items()}

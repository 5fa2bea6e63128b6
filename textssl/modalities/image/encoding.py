"""From images to the pixel values that a model takes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, Literal

import numpy as np
import torch
from PIL import Image
from transformers import BaseImageProcessor

from ...augment.image.pixels import eight_bit
from ...errors import UserError


__all__ = ["ImageEncoder"]

# Of different shapes, so that a processor that keeps sizes, or proportions, shows; odd, so that one that rounds does.
PROBES = ((41, 57), (65, 43), (47, 47))


class ImageEncoder:
    """Turns images into what an image processor of transformers makes of them, and sooner where it can.

    Many processors only rescale and normalize an image that has the right size already. Then each pixel value leads
    to one number per channel: these are asked from the processor once, tried on a random image, and looked up from
    then on. The result is the processor's to the last bit. All other images go through the processor; of these, ones
    that come with a key are static and go through it once.

    Args:
        processor: any image processor of transformers whose ``pixel_values`` are [B, C, H, W].
        mode: ``"L"`` for a model of one channel, ``"RGB"`` for one of three. Images of another mode are converted.
        cache_bytes: most memory for rows of images with a key, in bytes; each loader worker has its own.

    Raises:
        UserError: an unknown mode, or a processor that does not give as many channels as the mode has.
    """

    def __init__(
        self, processor: BaseImageProcessor, mode: Literal["L", "RGB"] = "RGB", cache_bytes: int = 2**28
    ) -> None:
        if mode not in ("L", "RGB"):
            raise UserError(f"mode: got {mode!r}; expected 'L' or 'RGB'")
        self.processor = processor
        self.mode = mode
        self.cache_bytes = cache_bytes
        self._known: dict[Any, np.ndarray] = {}
        self._known_bytes = 0
        sizes = [self._probe(height, width) for height, width in PROBES]
        self._fixed_size = sizes[0] if len(set(sizes)) == 1 else None
        self._keeps_size = sizes == list(PROBES)
        # For a size, what each value 0..255 of each channel leads to, [C, 256]; None where that is not enough.
        self._tables: dict[tuple[int, int], np.ndarray | None] = {}

    @property
    def fixed_size(self) -> tuple[int, int] | None:
        """Height and width of every row, or ``None`` where these depend on the image."""
        return self._fixed_size

    @cached_property
    def squeezes(self) -> bool:
        """Whether images of all proportions are squeezed into :attr:`fixed_size`, none of it cut off or filled up."""
        if self._fixed_size is None:
            return False
        height, width = self._fixed_size
        # The left quarter is white: of what comes out it is a quarter, less where the sides are cut off or rows added.
        tried = Image.new(self.mode, (8 * width, 2 * height))
        tried.paste(Image.new(self.mode, (2 * width, 2 * height), "white"))
        values = self._process([tried])
        white = values > (values.max() + values.min()) / 2
        return bool(abs(white.mean() - 0.25) < 0.05)

    def __call__(self, images: Sequence[Image.Image], keys: Sequence[Any] | None = None) -> dict[str, Any]:
        """Encode ``images``.

        Args:
            images: B images.
            keys: for each image, what identifies it for good, or ``None`` where it changes between visits.

        Returns:
            ``pixel_values`` float32 [B, C, H, W], and ``lengths``, a list of B ones: an image needs no padding.

        Raises:
            UserError: images of different sizes for a processor that does not make them alike, or of a mode that
                Pillow does not convert.
        """
        rows: list[np.ndarray | None] = [None] * len(images)
        if keys is not None:
            rows = [None if key is None else self._known.get(key) for key in keys]
        missing = [i for i, row in enumerate(rows) if row is None]
        converted = [self._convert(images[i]) for i in missing]
        table = self._table(converted) if len(missing) == len(images) else None
        if table is not None:
            return _batch(_look_up(table, converted))
        for i, row in zip(missing, self._rows(converted), strict=True):
            rows[i] = row
            if keys is not None and keys[i] is not None and self._known_bytes + row.nbytes <= self.cache_bytes:
                self._known[keys[i]] = row
                self._known_bytes += row.nbytes
        return _batch(_stack([row for row in rows if row is not None]))

    def _convert(self, image: Image.Image) -> Image.Image:
        image = eight_bit(image)
        return image if image.mode == self.mode else image.convert(self.mode)

    def _table(self, images: list[Image.Image]) -> np.ndarray | None:
        """The table of the size of all images, if they have one and the processor keeps it."""
        sizes = {(image.height, image.width) for image in images}
        if len(sizes) != 1 or not (self._keeps_size or sizes == {self._fixed_size}):
            return None
        (size,) = sizes
        if size not in self._tables:
            self._tables[size] = self._find_table(*size)
        return self._tables[size]

    def _rows(self, images: list[Image.Image]) -> list[np.ndarray]:
        # Alone where sizes may differ: a processor would refuse them, or pad all to the largest of the batch.
        batches = [images] if self._fixed_size else [[image] for image in images]
        # A copy of each, or one row in the cache would keep all rows of its batch.
        return [row.copy() for batch in batches if batch for row in self._process(batch)]

    def _process(self, images: list[Image.Image]) -> np.ndarray:
        values: torch.Tensor = self.processor(images, return_tensors="pt")["pixel_values"]
        return values.to(torch.float32).numpy()

    def _probe(self, height: int, width: int) -> tuple[int, int]:
        """Height and width that an image comes out with."""
        name = type(self.processor).__name__
        channels = len(self.mode)
        try:
            shape = self._process([Image.new(self.mode, (width, height))] * 2).shape
        except (ValueError, KeyError, IndexError, TypeError) as error:
            raise UserError(
                f"processor: {name} makes no pixel_values of images of mode {self.mode!r} "
                f"({type(error).__name__}: {error}); expected one that needs nothing but images, with {channels} "
                "value(s) in image_mean and image_std"
            ) from error
        if len(shape) != 4 or tuple(shape[:2]) != (2, channels):
            raise UserError(
                f"processor: {name} makes pixel_values of shape {list(shape)} from two images of mode {self.mode!r}; "
                f"expected [2, {channels}, height, width]"
            )
        return shape[2], shape[3]

    def _find_table(self, height: int, width: int) -> np.ndarray | None:
        """Values by pixel value [C, 256], or ``None`` if the processor does more than look at single pixels."""
        count = -(-256 // (height * width))
        values = np.arange(count * height * width).reshape(count, height, width) % 256
        outputs = self._process([self._image(value) for value in values])
        table = np.zeros((len(self.mode), 256), np.float32)
        for channel, output in zip(table, outputs.swapaxes(0, 1), strict=True):
            channel[values] = output
        noise = np.random.default_rng(0).integers(0, 256, (height, width, len(self.mode)))
        trial = [self._image(noise if self.mode == "RGB" else noise[..., 0])]
        return table if np.array_equal(_look_up(table, trial), self._process(trial)) else None

    def _image(self, values: np.ndarray) -> Image.Image:
        return Image.fromarray(values.astype(np.uint8)).convert(self.mode)


def _look_up(table: np.ndarray, images: list[Image.Image]) -> np.ndarray:
    """[B, C, H, W] of images of one size."""
    height, width = images[0].height, images[0].width
    pixels = np.frombuffer(b"".join([image.tobytes() for image in images]), np.uint8)
    pixels = pixels.reshape(len(images), height, width, len(table))
    rows = np.empty((len(images), len(table), height, width), np.float32)
    for channel, values in enumerate(table):
        rows[:, channel] = values[pixels[..., channel]]
    return rows


def _stack(rows: list[np.ndarray]) -> np.ndarray:
    shapes = sorted({row.shape for row in rows})
    if len(shapes) > 1:
        raise UserError(
            f"images: got rows of shapes {[list(shape) for shape in shapes]} in a batch; expected one shape: use a "
            "processor that resizes to one height and width, or crops to one"
        )
    return np.stack(rows)


def _batch(rows: np.ndarray) -> dict[str, Any]:
    return {"pixel_values": torch.from_numpy(rows), "lengths": [1] * len(rows)}

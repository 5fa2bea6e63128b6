"""What a classifier is given: how images and vectors become its inputs, as in training."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from PIL import Image

from ..augment.image.pixels import eight_bit
from ..errors import UserError
from ..modalities.image.encoding import ImageEncoder


__all__ = ["EmbeddingReader", "ImageReader", "PixelReader", "Reader", "VectorReader"]


class Reader:
    """From inputs to a batch.

    Attributes:
        modality: what inputs are: ``"text"``, ``"image"`` or ``"features"``.
        by_length: whether inputs of like length should share a batch.
        batch_size: inputs that are read at once unless a person chose.
    """

    modality: ClassVar[str]
    by_length: ClassVar[bool] = False
    batch_size: int = 32

    def checked(self, inputs: Sequence[Any]) -> list[Any]:
        """The inputs as a list; a UserError for one that is none."""
        raise NotImplementedError

    def prepared(self, inputs: list[Any]) -> list[Any]:
        """What is kept of a window of inputs until their batch comes; of texts the ids."""
        return inputs

    def sizes(self, prepared: list[Any]) -> np.ndarray:
        """Length of each prepared input [n]."""
        return np.zeros(len(prepared))

    def batch(self, prepared: list[Any]) -> Mapping[str, torch.Tensor]:
        """What the model is called with."""
        raise NotImplementedError

    def settings(self) -> dict[str, Any]:
        """What makes the same reader again, beside the tokenizer or image processor."""
        return {}

    def saved_with(self) -> Any:
        """The tokenizer or image processor to save; ``None`` if it needs none."""
        return None


class ImageReader(Reader):
    """Images of Pillow, or paths of image files.

    Args:
        model: the classifier.
        processor: its image processor.
    """

    modality = "image"

    def __init__(self, model: Any, processor: Any) -> None:
        mode: Literal["L", "RGB"] = "L" if getattr(model.config, "num_channels", 3) == 1 else "RGB"
        self.encode = ImageEncoder(processor, mode)

    @classmethod
    def from_encoder(cls, encode: ImageEncoder) -> ImageReader:
        """A reader that needs no model to know how many channels images have."""
        reader = cls.__new__(cls)
        reader.encode = encode
        return reader

    def settings(self) -> dict[str, Any]:
        """Mode of the images."""
        return {"mode": self.encode.mode}

    def saved_with(self) -> Any:
        """The image processor."""
        return self.encode.processor

    def checked(self, inputs: Sequence[Any]) -> list[Any]:
        """Images; what is a path is opened."""
        return _images(inputs)

    def batch(self, prepared: list[Any]) -> Mapping[str, torch.Tensor]:
        """Pixels."""
        return {"pixel_values": self.encode(prepared)["pixel_values"]}


class VectorReader(Reader):
    """Vectors of a frozen encoder that is not at hand.

    Args:
        size: D, numbers in a vector.
    """

    modality = "features"
    batch_size = 4096

    def __init__(self, size: int) -> None:
        self.size = size

    def settings(self) -> dict[str, Any]:
        """Length of a vector."""
        return {"input_size": self.size}

    def checked(self, inputs: Sequence[Any]) -> list[Any]:
        """Rows of an array [n, D]."""
        try:
            rows = np.asarray(inputs, dtype=np.float32)
        except (ValueError, TypeError) as error:
            raise UserError(f"inputs: expected vectors of {self.size} numbers ({error})") from error
        if len(rows) and (rows.ndim != 2 or rows.shape[1] != self.size):
            raise UserError(f"inputs: got an array of shape {list(rows.shape)}; expected [n, {self.size}]")
        wrong = ~np.isfinite(rows).all(axis=1) if len(rows) else np.zeros(0, bool)
        if wrong.any():
            raise UserError(f"inputs: row {int(np.argmax(wrong))} has nan or infinity; expected finite numbers")
        return list(rows)

    def batch(self, prepared: list[Any]) -> Mapping[str, torch.Tensor]:
        """Stacked."""
        return {"features": torch.from_numpy(np.stack(prepared))}


class PixelReader(Reader):
    """Images whose gray values are the features.

    Args:
        size: D, pixels of an image.
    """

    modality = "image"
    batch_size = 1024

    def __init__(self, size: int) -> None:
        self.size = size

    def settings(self) -> dict[str, Any]:
        """Length of a vector."""
        return {"input_size": self.size}

    def checked(self, inputs: Sequence[Any]) -> list[Any]:
        """Images of D pixels; what is a path is opened."""
        found = _images(inputs)
        for row, image in enumerate(found):
            if image.width * image.height != self.size:
                raise UserError(
                    f"inputs: the image of row {row} has {image.width}x{image.height} pixels; the model takes "
                    f"{self.size:,} as features"
                )
        return found

    def batch(self, prepared: list[Any]) -> Mapping[str, torch.Tensor]:
        """Gray values in [0, 1], row by row."""
        rows = [np.asarray(eight_bit(image).convert("L"), np.float32).reshape(-1) / 255 for image in prepared]
        return {"features": torch.from_numpy(np.stack(rows))}


class EmbeddingReader(Reader):
    """Texts or images that a frozen encoder embeds, where no model of transformers can stand for it.

    Args:
        encoder: from inputs to vectors [n, D].
        modality: of the inputs.
    """

    def __init__(self, encoder: Callable[[list[Any]], np.ndarray], modality: str) -> None:
        self.encoder = encoder
        self.modality = modality  # type: ignore[misc]
        self.by_length = modality == "text"  # type: ignore[misc]

    def checked(self, inputs: Sequence[Any]) -> list[Any]:
        """Strings or images."""
        if self.modality == "image":
            return _images(inputs)
        if isinstance(inputs, str):
            raise UserError("inputs: got a string; expected a list of texts")
        return list(inputs)

    def sizes(self, prepared: list[Any]) -> np.ndarray:
        """Characters of each text."""
        return np.array([len(one) if isinstance(one, str) else 0 for one in prepared])

    def batch(self, prepared: list[Any]) -> Mapping[str, torch.Tensor]:
        """Their vectors."""
        return {"features": torch.from_numpy(np.asarray(self.encoder(prepared), np.float32))}


def _images(inputs: Sequence[Any]) -> list[Image.Image]:
    if isinstance(inputs, str | Path | Image.Image):
        raise UserError("inputs: got one; expected a list of images or of paths of image files")
    found = []
    for row, one in enumerate(inputs):
        if isinstance(one, str | Path):
            try:
                with Image.open(one) as file:
                    file.load()
                    one = file.copy()
            except (OSError, ValueError, Image.DecompressionBombError) as error:
                raise UserError(f"inputs: the image {str(one)!r} of row {row} cannot be read ({error})") from error
        if not isinstance(one, Image.Image):
            raise UserError(f"inputs: got {type(one).__name__} in row {row}; expected an image or the path of one")
        found.append(one)
    return found

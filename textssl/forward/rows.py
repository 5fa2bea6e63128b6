"""Inputs without padding: one tensor of B rows of one shape, which is its own continuous input."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from ..errors import UserError
from .backend import Backend, Inputs
from .device_transfer import rows_on
from .inside import check_hidden


__all__ = ["FeatureBackend", "ImageBackend", "RowBackend"]


class RowBackend(Backend):
    """Inputs hold one tensor under ``key``, [B, ...]."""

    key: ClassVar[str]

    def size(self, inputs: Inputs) -> int:
        """Number of rows."""
        return int(inputs[self.key].shape[0])

    def join(self, many: Sequence[Inputs]) -> Inputs:
        """All rows, in order."""
        joined = torch.cat([inputs[self.key] for inputs in many])
        return {self.key: joined, "lengths": [length for inputs in many for length in inputs["lengths"]]}

    def take(self, inputs: Inputs, rows: Sequence[int]) -> Inputs:
        """The named rows."""
        x = inputs[self.key]
        taken = x.index_select(0, rows_on(rows, x.device))
        return {**inputs, self.key: taken, "lengths": [inputs["lengths"][row] for row in rows]}

    def embed(self, model: nn.Module, inputs: Inputs) -> Tensor:
        """The tensor itself."""
        x: Tensor = inputs[self.key]
        return x

    def from_embedding(self, inputs: Inputs, embedding: Tensor) -> Inputs:
        """``inputs`` with ``embedding`` in place of the tensor."""
        return {**inputs, self.key: embedding}


class ImageBackend(RowBackend):
    """Inputs hold ``pixel_values`` [B, channels, height, width], normalised as the image processor says."""

    key = "pixel_values"
    pretext: ClassVar[str | None] = "rotation"
    pretext_classes: ClassVar[int] = 4

    def check_hidden(self, model: nn.Module, numbers: list[int]) -> None:
        """Raise UserError unless the outputs of hidden layers ``numbers`` can be mixed."""
        size = getattr(model.config, "image_size", None) or 64
        height, width = (size, size) if isinstance(size, int) else size
        channels = int(getattr(model.config, "num_channels", None) or 3)
        shape = (2, channels, height, width)
        pixels = torch.linspace(-1, 1, math.prod(shape), device=next(model.parameters()).device).reshape(shape)
        check_hidden(model, {self.key: pixels}, numbers)

    def changed(self, inputs: Inputs, classes: Sequence[int]) -> Inputs:
        """Row b turned by ``classes[b]`` times 90 degrees."""
        x = inputs[self.key]
        if x.shape[-1] != x.shape[-2]:
            raise UserError(
                f"pretext: got 'rotation'; a turn by 90 degrees needs square images, got {x.shape[-1]}x{x.shape[-2]}"
            )
        # All turns of all images, of which each row takes its own: no wait for the device.
        turned = torch.cat([x.rot90(k, (-2, -1)) for k in range(self.pretext_classes)])
        rows = [len(x) * turns + row for row, turns in enumerate(classes)]
        return {**inputs, self.key: turned.index_select(0, rows_on(rows, x.device))}


class FeatureBackend(RowBackend):
    """Inputs hold ``features`` [B, D], precomputed by a frozen encoder."""

    key = "features"

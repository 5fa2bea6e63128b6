"""Inputs without padding: one tensor of B rows of one shape, which is its own continuous input."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from .base import Backend, Inputs, _on_device


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
        taken = x.index_select(0, _on_device(rows, x.device))
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


class FeatureBackend(RowBackend):
    """Inputs hold ``features`` [B, D], precomputed by a frozen encoder."""

    key = "features"

"""What the micro-batches of an optimizer step leave for its end."""

from __future__ import annotations

import torch
from torch import Tensor


__all__ = ["StepRows"]


class StepRows:
    """Rows of the micro-batches of a step, joined at its end. It is empty between steps, so it is no state."""

    def __init__(self) -> None:
        self._parts: list[tuple[Tensor, ...]] = []

    def add(self, *rows: Tensor) -> None:
        """Keep the rows of one micro-batch: tensors ``[B, ...]``, each call as many; gradients are not kept."""
        self._parts.append(tuple(part.detach() for part in rows))

    def take(self) -> tuple[Tensor, ...]:
        """Return the rows of all micro-batches and forget them.

        Returns:
            One tensor ``[sum B, ...]`` for each that `add` was given; an empty tuple where it was not called.
        """
        parts, self._parts = self._parts, []
        return tuple(torch.cat(rows) for rows in zip(*parts, strict=True))

"""Counts of what a run has read: operations and tokens of all views of both streams."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch
from transformers import Trainer


if TYPE_CHECKING:
    from ..modalities import Modality


__all__ = ["InputCounts"]


class InputCounts(Trainer):
    """Counts a batch of two streams where Trainer counts a flat one."""

    modality: Modality

    def floating_point_ops(self, inputs: dict[str, Any]) -> int:
        """Of all views of both streams."""
        return self._ops_per_number * sum(v[self.modality.main_input].numel() for v in self._views_of(inputs))

    @cached_property
    def _ops_per_number(self) -> int:
        """Operations for each number of the model's input: counting the parameters takes a walk over the model."""
        return super().floating_point_ops({self.modality.main_input: torch.empty(1)})

    def _track_num_input_tokens(self, inputs: dict[str, Any]) -> None:
        # One view after another, each of which is a batch as Trainer knows it.
        for view in self._views_of(inputs):
            super()._track_num_input_tokens(view)

    def _views_of(self, inputs: dict[str, Any]) -> list[dict[str, Any]]:
        views = [v for stream in inputs.values() if isinstance(stream, dict) for v in stream.values()]
        return [v for v in views if isinstance(v, dict) and self.modality.main_input in v]

"""Pipelines of transformers for models whose texts no tokenizer can cut as training did."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import torch
from transformers import TextClassificationPipeline

from .errors import UserError
from .modalities.text.encoding import TextEncoder
from .modalities.text.truncation import trained_with


__all__ = ["HeadTailPipeline"]


class HeadTailPipeline(TextClassificationPipeline):
    """Classifies texts as a model that was trained with ``truncation="head_tail"`` reads them.

    Of a model that was trained with ``"end"`` or ``"start"`` it gives what transformers' own pipeline gives with
    ``truncation=True``.

    Example:
        >>> pipeline("text-classification", model=folder, pipeline_class=HeadTailPipeline)  # doctest: +SKIP

    Raises:
        UserError: when called, where no training of textssl saved the tokenizer.
    """

    @cached_property
    def _encode(self) -> TextEncoder:
        trained = trained_with(self.tokenizer)
        if trained is None:
            raise UserError(
                f"tokenizer: {type(self.tokenizer).__name__} does not say how texts were cut; expected the folder of "
                "a model that textssl trained"
            )
        return TextEncoder(self.tokenizer, *trained)  # type: ignore[arg-type]

    def preprocess(  # type: ignore[override]  # transformers' own text pipelines name their options too
        self, inputs: str, truncation: bool = True, **others: Any
    ) -> Any:
        """The ids of one text, [1, T]; it is always cut."""
        if others or not truncation or not isinstance(inputs, str):
            raise UserError(f"{', '.join(others) or 'inputs'}: expected one text, cut as in training, and no options")
        return {name: value for name, value in self._encode([inputs]).items() if isinstance(value, torch.Tensor)}

"""Text: token ids with padding, word embeddings as the continuous input."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .base import Backend, Inputs, _on_device


__all__ = ["TextBackend", "position_limit"]


class TextBackend(Backend):
    """Inputs hold ``input_ids`` [B, T] (or ``inputs_embeds`` [B, T, H]) and ``attention_mask`` [B, T].

    Args:
        pad_token_id: fills what is added to short rows.
        padding_side: ``"right"`` or ``"left"``, the tokenizer's.
        multiple: widths stay multiples of it when rows are taken, which tensor cores like.
    """

    def __init__(self, pad_token_id: int = 0, padding_side: str = "right", multiple: int = 1) -> None:
        if padding_side not in ("left", "right"):
            raise ValueError(f"padding_side: got {padding_side!r}; allowed: 'left', 'right'")
        self.pad_token_id = pad_token_id
        self.padding_side = padding_side
        self.multiple = multiple

    def size(self, inputs: Inputs) -> int:
        """Number of rows."""
        return int(inputs["attention_mask"].shape[0])

    def lengths(self, inputs: Inputs) -> list[int]:
        """Tokens of each row, padding not counted."""
        lengths: list[int] = inputs["lengths"]
        return lengths

    def join(self, many: Sequence[Inputs]) -> Inputs:
        """All rows, padded to the widest input."""
        if len({"inputs_embeds" in inputs for inputs in many}) > 1:
            raise ValueError("inputs: token ids and embeddings cannot share a pass; call forward for each")
        width = max(inputs["attention_mask"].shape[1] for inputs in many)
        joined: dict[str, Any] = {
            key: torch.cat([self._widen(inputs[key], width, key) for inputs in many]) for key in self.tensors(many[0])
        }
        return {**joined, "lengths": [length for inputs in many for length in inputs["lengths"]]}

    def take(self, inputs: Inputs, rows: Sequence[int]) -> Inputs:
        """The named rows, cut to the longest of them."""
        lengths = [inputs["lengths"][row] for row in rows]
        full = inputs["attention_mask"].shape[1]
        width = min(-(-max(lengths, default=0) // self.multiple) * self.multiple, full)
        kept = slice(full - width, full) if self.padding_side == "left" else slice(0, width)
        index = _on_device(rows, inputs["attention_mask"].device)
        cut = {key: value[:, kept].index_select(0, index) for key, value in self.tensors(inputs).items()}
        return {**cut, "lengths": lengths}

    def embed(self, model: nn.Module, inputs: Inputs) -> Tensor:
        """Word embeddings [B, T, H], before positions and normalisation."""
        return model.get_input_embeddings()(inputs["input_ids"])  # type: ignore[operator]

    def from_embedding(self, inputs: Inputs, embedding: Tensor) -> Inputs:
        """``inputs`` with ``embedding`` [B, T, H] in place of the token ids."""
        kept = {key: value for key, value in inputs.items() if key != "input_ids"}
        return {**kept, "inputs_embeds": embedding}

    def _widen(self, x: Tensor, width: int, key: str) -> Tensor:
        missing = width - x.shape[1]
        if missing == 0:
            return x
        sides = (missing, 0) if self.padding_side == "left" else (0, missing)
        fill = self.pad_token_id if key == "input_ids" else 0
        return F.pad(x, (*(0, 0) * (x.dim() - 2), *sides), value=fill)


def position_limit(model: Any) -> int | None:
    """Tokens that the model has positions for; ``None`` where there is no limit.

    RoBERTa numbers its positions from after its padding token, so that it has fewer than its config says.

    Args:
        model: any model of transformers.
    """
    positions = getattr(model.config, "max_position_embeddings", None)
    if positions is None or positions < 1:
        return None
    offsets = [
        module.padding_idx + 1
        for name, module in model.named_modules()
        if name.endswith("position_embeddings") and getattr(module, "padding_idx", None) is not None
    ]
    return int(positions) - max(offsets, default=0)

"""The plainest code for what methods compute: one row at a time, in Python's own numbers."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn


Row = list[float]


class ConvNet(nn.Module):
    """An image classifier with batch norm and dropout: [B, 1, 8, 8] to ``.logits`` [B, 3]."""

    def __init__(self, seed: int = 0, dropout: float = 0.0) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.conv = nn.Conv2d(1, 4, 3, padding=1)
            self.norm = nn.BatchNorm2d(4)
            self.drop = nn.Dropout(dropout)
            self.head = nn.Linear(4 * 8 * 8, 3)

    def forward(self, pixel_values: Tensor) -> SimpleNamespace:
        maps = self.norm(self.conv(pixel_values)).relu()
        return SimpleNamespace(logits=self.head(self.drop(maps.flatten(1))))


def softmax(z: Row, temperature: float = 1.0) -> Row:
    e = [math.exp((v - max(z)) / temperature) for v in z]
    return [v / sum(e) for v in e]


def cross_entropy(z: Row, y: int) -> float:
    return -math.log(softmax(z)[y])


def squared_error(p: Row, q: Row) -> float:
    """Mean over classes."""
    return sum((a - b) ** 2 for a, b in zip(p, q, strict=True)) / len(p)


def kl(q: Row, p: Row) -> float:
    """KL(q || p)."""
    return sum(a * math.log(a / b) for a, b in zip(q, p, strict=True) if a > 0)


def row_logits(model: nn.Module, view: dict[str, Any]) -> list[Row]:
    """Logits of each row of a view run alone, without padding; of any modality, in the mode that the model is in."""
    rows = []
    with torch.no_grad():
        for i, length in enumerate(view["lengths"]):
            if "input_ids" in view:
                inputs = {"input_ids": view["input_ids"][i : i + 1, :length]}
            else:
                inputs = {key: view[key][i : i + 1] for key in ("pixel_values", "features") if key in view}
            rows.append(model(**inputs).logits[0].tolist())
    return rows


def logits_of(trainer: Any, view: dict[str, Any], model: nn.Module | None = None) -> list[Row]:
    """:func:`row_logits` of the trainer's student, or of another model."""
    return row_logits(trainer.model if model is None else model, view)

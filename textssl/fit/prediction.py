"""Logits of a model of transformers for raw texts or images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedModel

from ..augment.image.pixels import eight_bit


__all__ = ["predict_logits"]

BATCH = 64


@torch.inference_mode()
def predict_logits(
    model: PreTrainedModel, processor: Any, inputs: Sequence[Any], modality: str, max_length: int
) -> np.ndarray:
    """Logits, float64 ``[n, C]``, of n texts or images, in batches of texts of like length.

    Args:
        model: a classifier, in evaluation mode.
        processor: its tokenizer or image processor.
        inputs: strings or images of Pillow.
        modality: ``"text"`` or ``"image"``.
        max_length: most tokens of a text.
    """
    order = sorted(range(len(inputs)), key=lambda i: -len(inputs[i])) if modality == "text" else [*range(len(inputs))]
    logits = np.empty((len(inputs), len(model.config.id2label or {})))
    for start in range(0, len(order), BATCH):
        rows = order[start : start + BATCH]
        batch = _encoded(model, processor, [inputs[row] for row in rows], modality, max_length)
        placed = {name: value.to(model.device) for name, value in batch.items()}
        logits[rows] = model(**placed).logits.double().cpu().numpy()
    return logits


def _encoded(model: PreTrainedModel, processor: Any, inputs: list[Any], modality: str, max_length: int) -> Any:
    if modality == "image":
        mode = "L" if getattr(model.config, "num_channels", 3) == 1 else "RGB"
        return processor([eight_bit(image).convert(mode) for image in inputs], return_tensors="pt")
    return processor(inputs, truncation=True, max_length=max_length, padding=True, return_tensors="pt")

"""What is read off a model: how many tokens it has positions for, and a checksum of its weights."""

from __future__ import annotations

import hashlib
from typing import Any

import torch


__all__ = ["position_limit", "weights_checksum"]


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


def weights_checksum(model: torch.nn.Module) -> str:
    """SHA-256 of all weights and buffers, their names and shapes."""
    digest = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        digest.update(f"{name}{list(value.shape)}{value.dtype}\0".encode())
        digest.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()

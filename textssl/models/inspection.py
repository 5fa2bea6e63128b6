"""How many tokens a model has positions for."""

from __future__ import annotations

from typing import Any


__all__ = ["position_limit"]


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

"""Weights of a model that is there already, read from a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .adapters import has_adapters, load_adapters


__all__ = ["load_weights"]


def load_weights(model: Any, folder: str | Path) -> None:
    """Give ``model``, of whatever kind, exactly the weights that were saved in a folder.

    Args:
        model: the unwrapped model. Of one with adapters the frozen base stays as it is.
        folder: what ``save_pretrained`` wrote.

    Raises:
        UserError: adapters that are missing, damaged or others.
    """
    if has_adapters(model):
        load_adapters(model, folder)
        return
    # The stock loader is not strict, and a model saved under legacy key names comes back re-initialised.
    saved = type(model).from_pretrained(folder, config=model.config, dtype=model.dtype, local_files_only=True)
    model.load_state_dict(saved.state_dict())

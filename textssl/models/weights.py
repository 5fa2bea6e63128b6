"""Weights of a model that is there already: read from a folder, and whether a folder keeps them exactly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import nn
from transformers import PreTrainedModel

from .adapters import has_adapters, load_adapters


__all__ = ["is_saved_exactly", "load_weights"]


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


def is_saved_exactly(model: nn.Module) -> bool:
    """Whether :func:`load_weights` gives back each tensor of ``state_dict()`` that ``save_pretrained`` wrote.

    Not where only adapters are written, where some tensors are left out, or where a single type would round others.
    """
    if not isinstance(model, PreTrainedModel) or model._keys_to_ignore_on_save:
        return False
    return len({value.dtype for value in model.state_dict().values() if value.is_floating_point()}) == 1

"""A base with adapters, loaded from a folder or a repository of the Hub that holds the adapters alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig
from transformers.utils import cached_file, find_adapter_config_file

from ..errors import UserError
from .adapters import load_adapters


__all__ = ["adapters_of", "load_adapted"]


def adapters_of(place: str) -> Path | None:
    """The folder on this machine that has the ``adapter_config.json`` of ``place``; ``None`` if it holds no adapters.

    Args:
        place: a folder, or a repository of the Hub.
    """
    found = find_adapter_config_file(place, local_files_only=Path(place).is_dir())
    return None if found is None else Path(found).parent


def load_adapted(model_class: Any, place: str, folder: Path) -> tuple[Any, dict[str, Any]]:
    """A base in float32 with its adapters, frozen, and what the base lacked, as ``output_loading_info`` has it.

    Args:
        model_class: an auto class of transformers, for the base.
        place: where the adapters are.
        folder: what :func:`adapters_of` gave.

    Raises:
        UserError: no peft, adapters that are no safetensors or that do not name their base.
        OSError: the base cannot be loaded.
    """
    try:
        from peft import PeftConfig, get_peft_model
    except ImportError as error:
        raise UserError(f"teacher: {place!r} holds adapters; install peft: pip install 'textssl[lora]'") from error
    if cached_file(place, "adapter_model.safetensors", _raise_exceptions_for_missing_entries=False) is None:
        raise UserError(f"teacher: {place!r} has no adapter_model.safetensors; other formats are not read")
    config = PeftConfig.from_pretrained(str(folder))
    base = config.base_model_name_or_path
    if not base:
        raise UserError(f"teacher: {place!r} does not name the model that its adapters are for; save that one merged")
    # The names of the classes, which adapters do not hold, are in the config beside them, if there is one.
    known = cached_file(place, "config.json", _raise_exceptions_for_missing_entries=False)
    named = {} if known is None else {"config": AutoConfig.from_pretrained(Path(known).parent)}
    network, info = model_class.from_pretrained(
        base, dtype=torch.float32, use_safetensors=True, local_files_only=Path(base).is_dir(),
        output_loading_info=True, **named,
    )  # fmt: skip
    whole = set(config.modules_to_save or ()) if hasattr(config, "modules_to_save") else set()
    info["missing_keys"] = {key for key in info["missing_keys"] if not whole & set(key.split("."))}
    config.inference_mode = True
    model = get_peft_model(network, config)
    load_adapters(model, folder)
    return model.eval(), info

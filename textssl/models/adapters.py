"""Students of peft: a frozen base with adapters, of which only the adapters are trained, copied and saved."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from ..errors import UserError
from ..state.module_modes import batch_norms


__all__ = [
    "STUDENT",
    "adapter_state",
    "base_of",
    "check_adapters",
    "frozen_head",
    "has_adapters",
    "load_adapters",
    "refuse_adapters",
    "save_base_config",
    "take_adapters",
]

logger = logging.getLogger(__name__)

WEIGHTS = "adapter_model.safetensors"
# In a checkpoint the folder of the student, as other adapters have folders of their names.
STUDENT = "student"


def has_adapters(model: object) -> bool:
    """Whether ``model`` is a ``PeftModel``. It does not import peft: who has such a model has imported it."""
    peft = sys.modules.get("peft")
    return peft is not None and isinstance(model, peft.PeftModel)


def base_of(model: Any) -> Any:
    """The model of transformers within a ``PeftModel``; any other model as it is."""
    return model.get_base_model() if has_adapters(model) else model


def adapter_state(model: Any, name: str) -> dict[str, Tensor]:
    """The parameters and buffers of ``model`` that peft saves of adapter ``name``, by their names in its file.

    They are the tensors themselves, not copies.
    """
    from peft import get_peft_model_state_dict

    # Whether the embeddings were resized peft asks the Hub, at each save; here nobody need know.
    state: dict[str, Tensor] = get_peft_model_state_dict(
        model, state_dict=model.state_dict(keep_vars=True), adapter_name=name, save_embedding_layers=False
    )
    return state


def check_adapters(model: Any) -> None:
    """Raise UserError unless what a run changes in a model with adapters is what its folder will hold.

    Args:
        model: the student; one without adapters passes.
    """
    peft: Any = sys.modules.get("peft")
    if getattr(model, "_hf_peft_config_loaded", False) or (peft and isinstance(model, peft.PeftMixedModel)):
        raise UserError(f"model: got {type(model).__name__} with adapters; expected one from peft.get_peft_model")
    if not has_adapters(model):
        return
    if STUDENT in model.peft_config:
        raise UserError(f"model: got an adapter {STUDENT!r}, a name that checkpoints need; rename it")
    for name, config in model.peft_config.items():
        if config.is_prompt_learning:
            raise UserError(
                f"model: adapter {name!r} is of type {config.peft_type.value}; allowed are those that change layers, "
                "such as LORA and IA3"
            )
    saved = {id(tensor) for name in model.peft_config for tensor in adapter_state(model, name).values()}
    _check_trained(model, saved)
    _check_batch_norms(model, saved)
    _warn_of_frozen_head(model)


def refuse_adapters(role: str, model: object, reason: str) -> None:
    """Raise UserError for a model with adapters.

    Args:
        role: the argument's name.
        model: the network.
        reason: why it cannot be one.
    """
    if has_adapters(model):
        raise UserError(f"{role}: got {type(model).__name__}; {reason}")


def _check_trained(model: Any, saved: set[int]) -> None:
    trained = {name: id(parameter) for name, parameter in model.named_parameters() if parameter.requires_grad}
    if not trained:
        raise UserError("model: no adapter is trainable; load it with is_trainable=True")
    if beside := [name for name, identity in trained.items() if identity not in saved]:
        raise UserError(
            f"model: {beside[0]} requires a gradient, and is no part of an adapter, so that nothing would save it; "
            "name its module in modules_to_save"
        )


def _check_batch_norms(model: Any, saved: set[int]) -> None:
    moved = {id(module) for module in batch_norms(model) if id(module.running_mean) not in saved}
    # What an adapter replaced stays beside it, and is not run.
    idle = {id(module) for name, module in model.named_modules() if ".original_module" in f".{name}"}
    names = [name for name, module in model.named_modules() if id(module) in moved - idle]
    if names:
        raise UserError(
            f"model: running statistics of {names[0]} change in training, and peft saves none of the base; name the "
            f"batch norms in modules_to_save, such as {names[0].rsplit('.', 1)[-1]!r}"
        )


def frozen_head(model: Any) -> list[str]:
    """Names of parameters of the head that are neither trained nor saved with the adapters."""
    base = base_of(model)
    if base.base_model is base:
        return []
    encoder = {id(parameter) for parameter in base.base_model.parameters()}
    return [
        name
        for name, parameter in base.named_parameters()
        if not parameter.requires_grad and id(parameter) not in encoder and ".original_module." not in name
    ]


def _warn_of_frozen_head(model: Any) -> None:
    """Warn of a part of the head that is frozen: loaded again, it may be drawn anew."""
    if names := frozen_head(model):
        logger.warning(
            "%s is a part of the head that is frozen and not saved with the adapters: unless the base model's own "
            "checkpoint holds it, name %r in modules_to_save",
            names[0],
            names[0].split(".")[0],
        )


def load_adapters(model: Any, folder: str | Path) -> None:
    """Give the adapters of ``model``, and what is trained whole beside them, the weights that a folder holds.

    Args:
        model: a ``PeftModel``, unwrapped. Its base stays as it is.
        folder: what ``save_pretrained`` of such a model wrote. Only safetensors are read.

    Raises:
        UserError: files that are missing, damaged or of other adapters.
    """
    for name in model.peft_config:
        path = Path(folder, "" if name == "default" else name, WEIGHTS)
        try:
            _set_adapter(model, name, load_file(path))
        except (OSError, SafetensorError, RuntimeError, ValueError, KeyError) as error:
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise UserError(f"model: {path} does not hold adapter {name!r} of this model ({reason})") from error


def take_adapters(source: Any, target: Any) -> None:
    """Give the adapters of ``target`` the weights of those of ``source``.

    Args:
        source: a ``PeftModel``.
        target: another, with adapters of the same names on a base of the same weights.

    Raises:
        UserError: another base, or other adapters.
    """
    states = [adapter_state(source, name) for name in source.peft_config]
    theirs = source.state_dict(keep_vars=True)
    adapters = {id(tensor) for name in target.peft_config for tensor in adapter_state(target, name).values()}
    for key, tensor in target.state_dict(keep_vars=True).items():
        other = theirs.get(key)
        if id(tensor) in adapters or other is tensor or ".original_module." in key:
            continue
        if other is None or other.shape != tensor.shape or not torch.equal(other.to(tensor), tensor):
            raise UserError(
                f"student_init: got 'continued', and its base has other weights than the teacher's ({key}); "
                "allowed: fresh"
            )
    try:
        for name, state in zip(source.peft_config, states, strict=True):
            _set_adapter(target, name, {key: tensor.detach() for key, tensor in state.items()})
    except (RuntimeError, ValueError, KeyError) as error:
        raise UserError(
            "student_init: got 'continued', and the teacher has other adapters; allowed then: fresh"
        ) from error


def _set_adapter(model: Any, name: str, weights: Mapping[str, Tensor]) -> None:
    from peft import set_peft_model_state_dict

    # Of embeddings that were resized or targeted the file holds more.
    for key, tensor in adapter_state(model, name).items():
        if key not in weights:
            raise ValueError(f"it lacks {key}")
        if weights[key].shape != tensor.shape:
            raise ValueError(f"{key} is {list(weights[key].shape)} there, {list(tensor.shape)} here")
    set_peft_model_state_dict(model, dict(weights), adapter_name=name)


def save_base_config(model: Any, folder: str | Path) -> None:
    """Write the base's ``config.json`` beside adapters: peft's own files do not hold the names of the classes."""
    if has_adapters(model):
        base_of(model).config.save_pretrained(folder)

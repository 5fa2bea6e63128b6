"""A model that a recipe names: loading it from the Hub or a folder, its version, the classes in its config."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError, HFValidationError
from transformers.utils import cached_file
from transformers.utils.hub import extract_commit_hash

from ...errors import UserError
from ...files import sha256_of_all


__all__ = ["hub_fault", "label_settings", "load_named", "model_version"]

# Weights, configs, vocabularies.
MODEL_FILES = {".bin", ".jinja", ".json", ".model", ".safetensors", ".txt"}
# How long the Hub may take to answer at all.
HUB_SECONDS = 5.0


def load_named(model: str, load: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call ``load`` with ``args`` and ``kwargs``, without the network where the Hub is out of reach.

    Raises:
        UserError: the model cannot be loaded.
    """
    fault = hub_fault(model)
    try:
        return load(*args, local_files_only=fault is not None, **kwargs)
    except UserError:
        raise
    except (OSError, ValueError) as error:
        reason = fault or (str(error).strip().splitlines() or [""])[0]
        raise UserError(
            f"model: {model!r} cannot be loaded ({reason}); without the Hub, take --model embedded, "
            "as --preset cpu does"
        ) from error


@cache
def hub_fault(model: str) -> str | None:
    """Why the Hub cannot be asked for a model; ``None`` if it can, or need not be."""
    if model == "embedded" or Path(model).is_dir():
        return None
    try:
        # By itself from_pretrained tries for three quarters of a minute, and fills the screen.
        HfApi().model_info(model, timeout=HUB_SECONDS)
    except (HfHubHTTPError, HFValidationError):
        return None
    except Exception as error:  # the HTTP client's errors share no class across its versions
        return f"the Hub cannot be reached, {type(error).__name__}: {error}"
    return None


def model_version(model: str) -> str:
    """What a name stands for now: the checksum of a folder's files, or the commit of a model of the Hub.

    Args:
        model: a model of the Hub that was loaded before, a folder, or a name that is no file, such as ``embedded``.
    """
    folder = Path(model)
    if folder.is_dir():
        found = [p for p in folder.rglob("*") if p.is_file() and p.suffix in MODEL_FILES]
        # Of a folder that a run was in, not what training left beside the model.
        inside = sorted(p for p in found if not str(p.relative_to(folder)).startswith(("checkpoint-", ".")))
        return f"sha256:{sha256_of_all(folder, inside)}"
    try:
        path = cached_file(model, "config.json", local_files_only=True)
    except OSError:
        return model
    return f"commit:{extract_commit_hash(str(path), None)}"


def label_settings(label_names: tuple[str, ...]) -> dict[str, Any]:
    """Config arguments that describe the classes."""
    return {
        "num_labels": len(label_names),
        "id2label": dict(enumerate(label_names)),
        "label2id": {name: i for i, name in enumerate(label_names)},
    }

"""Where a saved classifier lies: the folder itself, or within the output of a run."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils import validate_repo_id

from ..errors import UserError


__all__ = ["ModelPlace", "find_model"]

CONFIGS = ("config.json", "adapter_config.json", "classifier.json")
# What training keeps beside the model that it gives back.
NOT_RESULTS = ("checkpoint-", "round-", "search", "probe", "plots", "embeddings", ".")
DEPTH = 3
SHOWN = 8


@dataclass(frozen=True)
class ModelPlace:
    """A saved classifier, not loaded.

    Attributes:
        name: what ``from_pretrained`` takes: a folder, or a name on the Hub.
        folder: the folder; ``None`` for a model of the Hub.
        settings: of the training that saved it, such as ``text_column`` and ``max_length``; empty where it left none.
    """

    name: str
    folder: Path | None
    settings: dict[str, Any] = field(default_factory=dict)


def find_model(place: str | Path) -> ModelPlace:
    """Find the classifier that a person means.

    Args:
        place: the folder of a model; the output folder of ``textssl fit`` or ``textssl train``, which holds it; or a
            name on the Hub, ``owner/name``.

    Raises:
        UserError: no such folder, a file, a folder without a model, or one with several to choose from.
    """
    path = Path(place)
    if path.is_dir():
        folder = _within(path)
        return ModelPlace(str(folder), folder, _settings(folder))
    if path.exists():
        raise UserError(f"model: got {str(place)!r}, a file; expected the folder of a model")
    if not _is_hub_name(str(place)):
        raise UserError(f"model: no folder {str(place)!r}; expected the folder of a model, or owner/name on the Hub")
    return ModelPlace(str(place), None)


def _within(path: Path) -> Path:
    if _holds_model(path):
        return path
    run = _json(path / "run.json")
    method = run.get("settings", {}).get("method") if isinstance(run.get("settings"), dict) else None
    for inner in ("model", method):
        if inner and _holds_model(path / inner):
            return path / inner
    if method:
        raise UserError(f"model: {str(path)!r} holds an unfinished run of {method}; {_checkpoints(path / method)}")
    found = _below(path, DEPTH)
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(str(one) for one in found[:SHOWN]) + (", ..." if len(found) > SHOWN else "")
        raise UserError(f"model: {str(path)!r} holds {len(found)} models; choose one: {names}")
    weights = sorted(path.glob("*.safetensors"))
    lacks = f"{weights[0].name} without config.json" if weights else "no config.json"
    raise UserError(f"model: {str(path)!r} holds no model ({lacks}); expected what training or save_pretrained wrote")


def _holds_model(folder: Path) -> bool:
    return any((folder / name).is_file() for name in CONFIGS)


def _below(folder: Path, depth: int) -> list[Path]:
    """Folders of models in a folder, sorted; what lies within a model is a part of it."""
    found = []
    for inner in sorted(entry for entry in folder.iterdir() if entry.is_dir()):
        if inner.name.startswith(NOT_RESULTS):
            continue
        if _holds_model(inner):
            found.append(inner)
        elif depth > 1:
            found += _below(inner, depth - 1)
    return found


def _checkpoints(folder: Path) -> str:
    steps = [entry for entry in folder.glob("checkpoint-*") if entry.name.removeprefix("checkpoint-").isdecimal()]
    if not steps:
        return "it has no checkpoint yet"
    return f"its last checkpoint is {str(max(steps, key=lambda entry: int(entry.name[11:])))!r}"


def _settings(folder: Path) -> dict[str, Any]:
    """Of ``fit.json`` or ``training_args.json``."""
    return {**_json(folder / "training_args.json"), **_json(folder / "fit.json")}


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _is_hub_name(name: str) -> bool:
    try:
        validate_repo_id(name)
    except HFValidationError:
        return False
    return name.count("/") == 1

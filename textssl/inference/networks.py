"""Trained classifiers and their tokenizers or image processors, loaded from files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoImageProcessor,
    AutoModelForImageClassification,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PreTrainedModel,
)

from ..data.class_names import check_classifier
from ..errors import UserError
from ..features import FeatureClassifierConfig, deployable, head_of
from ..models import PooledImageClassifier, PooledImageClassifierConfig, PooledTextClassifier
from ..models.adapter_folders import adapters_of, load_adapted


__all__ = ["load_network"]

LOADERS: dict[str, tuple[Any, Any]] = {
    "text": (AutoModelForSequenceClassification, AutoTokenizer),
    "image": (AutoModelForImageClassification, AutoImageProcessor),
    "features": (AutoModelForSequenceClassification, None),
}


def load_network(
    place: str, modality: str, argument: str = "model", processor_place: str | None = None
) -> tuple[PreTrainedModel, Any]:
    """A trained classifier in float32, in evaluation mode, and its tokenizer or image processor.

    Args:
        place: a folder, or a model of the Hub; also of adapters of peft, whose base is then loaded by the name that
            they have for it. Only safetensors are read, and no code of it is run.
        modality: ``"text"``, ``"image"`` or ``"features"``. A classifier of features becomes one of texts or images
            by the encoder that its config names; of those two the head alone is taken for ``"features"``.
        argument: what messages call the model.
        processor_place: of the tokenizer or image processor, where it is not beside the model.

    Raises:
        UserError: no such model, or one without a trained head, or of several labels per example.
    """
    model_class, processor_class = LOADERS[modality]
    kind = _model_type(place)
    if modality != "features" and kind == FeatureClassifierConfig.model_type:
        return deployable(load_network(place, "features", argument)[0])
    if modality == "features" and kind == PooledImageClassifierConfig.model_type:
        model_class = AutoModelForImageClassification
    local = Path(place).is_dir()
    try:
        adapters = adapters_of(place)
        if adapters is not None:
            model, info = load_adapted(model_class, place, adapters)
        else:
            model, info = model_class.from_pretrained(
                place, dtype=torch.float32, use_safetensors=True, local_files_only=local, output_loading_info=True
            )
        beside = processor_place or place
        processor = (
            None if processor_class is None else processor_class.from_pretrained(beside, local_files_only=local)
        )
    except UserError as error:
        raise UserError(str(error).replace("teacher:", f"{argument}:", 1)) from error
    except Exception as error:  # damaged files have more kinds of failure than can be listed
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UserError(f"{argument}: {place!r} cannot be loaded ({reason})") from error
    if modality == "features" and isinstance(model, PooledTextClassifier | PooledImageClassifier):
        model = head_of(model)
    check_classifier(model.config, argument)
    if info["missing_keys"]:
        lacking = sorted(info["missing_keys"])[0]
        raise UserError(f"{argument}: {place!r} holds no trained classifier; it lacks {lacking}")
    return model, processor


def _model_type(place: str) -> str | None:
    """What transformers calls the kind of model in a folder; ``None`` of a model of the Hub."""
    path = Path(place, "config.json")
    try:
        return str(json.loads(path.read_text()).get("model_type")) if path.is_file() else None
    except (OSError, ValueError):
        return None

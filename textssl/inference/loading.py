"""From a folder or a name on the Hub to a classifier that reads raw inputs."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from accelerate import PartialState
from transformers import (
    CONFIG_MAPPING,
    MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING,
    MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING,
    PretrainedConfig,
)

from ..data.class_names import label_names, own_names
from ..errors import UserError
from ..features import FeatureClassifierConfig, SentenceEncoder, VisionEncoder, deployable
from ..features.deployment import PIXELS
from ..features.image_encoders import POOLINGS
from ..models import EnsembleConfig, PooledClassifierConfig, PooledImageClassifierConfig
from ..models.adapter_folders import adapters_of
from .classifier import Classifier
from .networks import load_network
from .onnx_classifier import is_export, load_onnx
from .place import ModelPlace, find_model
from .readers import EmbeddingReader, ImageReader, PixelReader, Reader, VectorReader
from .text_reader import TextReader


__all__ = ["load_classifier"]

OURS = {
    FeatureClassifierConfig.model_type: "features",
    PooledClassifierConfig.model_type: "text",
    PooledImageClassifierConfig.model_type: "image",
}
HEADS = ("SequenceClassification", "ImageClassification")
TOKENIZERS = ("tokenizer*", "vocab.*", "*.model", "spiece.*")
PROCESSORS = ("preprocessor_config.json", "processor_config.json")


def load_classifier(
    folder_or_hub_name: str | os.PathLike[str],
    *,
    batch_size: int | None = None,
    pairs: bool | None = None,
    encoder: str | None = None,
    device: str | None = None,
) -> Classifier:
    """Load a trained classifier of any kind, which reads inputs as training did.

    A classifier of features embeds texts or images by the frozen encoder that its config names, where that can be
    found; otherwise it takes vectors. Only safetensors are read, and no code of a model is run.

    Args:
        folder_or_hub_name: the folder of a model; the output folder of ``textssl fit`` or ``textssl train``; that of
            an ONNX export; or ``owner/name`` on the Hub.
        batch_size: inputs per pass.
        pairs: whether a text classifier takes pairs of texts; by default as the training says.
        encoder: folder or name of the frozen encoder whose features a head was trained on, where its config names none
            that can be found.
        device: such as ``"cuda:0"``; the one of this process by default.

    Raises:
        UserError: no model, one that is damaged, lacks its tokenizer, or is no classifier.

    Example:
        >>> classifier = load_classifier("outputs/fit")  # doctest: +SKIP
        >>> classifier.predict(["A film to remember."])  # doctest: +SKIP
        ['positive']
    """
    place = find_model(os.fspath(folder_or_hub_name))
    if place.folder is not None and is_export(place.folder):
        return load_onnx(place.folder, batch_size)
    modality = _modality(place)
    if pairs and modality != "text":
        raise UserError(f"pairs: got True for a classifier of {modality}; only texts come in pairs")
    if encoder is not None and modality != "features":
        raise UserError(f"encoder: got {encoder!r} for a classifier of {modality}; only a head on features has one")
    model: Any
    if modality == "features":
        model, processor, reader = _of_features(place, encoder)
    else:
        model, processor = load_network(place.name, modality, processor_place=_processor_place(place, modality))
        if hasattr(model, "merge_and_unload"):
            # Adapters cost time in each pass.
            model = model.merge_and_unload()
        reader = _reader(model, processor, modality, place, pairs)
    model = model.eval().to(PartialState().device if device is None else device)
    return Classifier(
        model, processor, reader, own_names(model.config) or label_names(model.config), place, batch_size
    )


def _modality(place: ModelPlace) -> str:
    """``"text"``, ``"image"`` or ``"features"``, by the config alone."""
    try:
        adapters = adapters_of(place.name)
        config, _ = PretrainedConfig.get_config_dict(_base_of(adapters) if adapters is not None else place.name)
        if not isinstance(config, dict):
            raise ValueError("config.json holds no object")
    except Exception as error:  # damaged files have more kinds of failure than can be listed
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UserError(f"model: {place.name!r} cannot be loaded ({reason})") from error
    if adapters is None:
        _check_head(config, place)
    return _modality_of(config, place)


def _base_of(adapters: Path) -> str:
    """Whose config tells what adapters are for: their own, which training writes beside them, or the base's."""
    if (adapters / "config.json").is_file():
        return str(adapters)
    return str(json.loads((adapters / "adapter_config.json").read_text())["base_model_name_or_path"])


def _check_head(config: dict[str, Any], place: ModelPlace) -> None:
    kind = config.get("model_type")
    names = config.get("architectures") or []
    if kind in OURS or kind == EnsembleConfig.model_type or not names:
        return
    if not any(head in name for name in names for head in HEADS):
        raise UserError(
            f"model: {place.name!r} is a {names[0]}, no classifier; train one first, such as by textssl fit"
        )


def _modality_of(config: dict[str, Any], place: ModelPlace) -> str:
    kind = str(config.get("model_type"))
    if kind == EnsembleConfig.model_type:
        return _modality_of((config.get("members") or [{}])[0], place)
    if kind in OURS:
        return OURS[kind]
    texts = images = False
    if kind in CONFIG_MAPPING:
        known = CONFIG_MAPPING[kind]
        texts = known in MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING
        images = known in MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING
    if not texts and not images:
        raise UserError(f"model: {place.name!r} has the model_type {kind!r}; expected a classifier of texts or images")
    # Of the few that read both, the head tells.
    if texts and images:
        texts = not any(HEADS[1] in name for name in config.get("architectures") or [])
    return "text" if texts else "image"


def _processor_place(place: ModelPlace, modality: str) -> str | None:
    """Where the tokenizer or image processor is: of a checkpoint in the folder around it."""
    if place.folder is None:
        return None
    patterns, what = (TOKENIZERS, "tokenizer") if modality == "text" else (PROCESSORS, "image processor")
    around = [place.folder] + ([place.folder.parent] if place.folder.name.startswith("checkpoint-") else [])
    for folder in around:
        if any(next(folder.glob(pattern), None) for pattern in patterns):
            return str(folder)
    variable = what.rpartition(" ")[2]
    raise UserError(
        f"model: {place.name!r} has no {what}; save it beside the model: {variable}.save_pretrained({place.name!r})"
    )


def _reader(model: Any, processor: Any, modality: str, place: ModelPlace, pairs: bool | None) -> Reader:
    if modality == "image":
        return ImageReader(model, processor)
    if pairs is None:
        pairs = place.settings.get("text_pair_column") is not None
    length = place.settings.get("max_length")
    try:
        return TextReader(model, processor, length if isinstance(length, int) else None, pairs)
    except UserError as error:
        raise UserError(f"model: {place.name!r} cannot read texts: {error}") from error


def _of_features(place: ModelPlace, encoder: str | None) -> tuple[Any, Any, Reader]:
    """The head, with its encoder where that can be found."""
    head, _ = load_network(place.name, "features")
    own = getattr(head, "members", [head])[0].config
    if own.encoder == PIXELS:
        return head, None, PixelReader(own.input_size)
    if own.encoder is None and encoder is None:
        return head, None, VectorReader(own.input_size)
    modality = "image" if own.encoder_pooling in POOLINGS else "text"
    try:
        model, processor = deployable(head, encoder)
    except (UserError, OSError, ValueError):
        embed = _encoder(own, encoder)
        if embed is None:
            if encoder is not None:
                raise
            return head, None, VectorReader(own.input_size)
        return head, None, EmbeddingReader(embed, modality)
    return model, processor, _reader(model, processor, modality, place, False)


def _encoder(config: Any, given: str | None) -> Any:
    """The encoder that is given, or that a config names on the Hub; ``None`` where it cannot be found."""
    name, _, commit = str(config.encoder).partition("@")
    if given is None and name.startswith("sha256:"):
        return None
    where: dict[str, Any] = {"revision": commit or None} if given is None else {}
    try:
        if config.encoder_pooling in POOLINGS:
            found: Any = VisionEncoder(given or name, **where)
        else:
            found = SentenceEncoder(given or name, max_length=config.encoder_max_length, bf16=False, **where)
        return found if config.encoder in (None, found.name) else None
    except (UserError, OSError, ValueError):
        return None

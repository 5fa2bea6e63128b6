"""Models and processors that a recipe names: of the Hub, of a folder, or embedded."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError, HFValidationError
from transformers import (
    AutoImageProcessor,
    AutoModelForImageClassification,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    ResNetConfig,
    ResNetForImageClassification,
    set_seed,
)
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil
from transformers.utils import cached_file
from transformers.utils.hub import extract_commit_hash

from ...errors import UserError
from ...features import VisionEncoder
from ...files import sha256_of_all
from ...models.encoders import place_of
from ...models.modeling_pooled_classifier import PooledTextClassifier
from ...models.sentence_transformers_files import read_sentence_files


__all__ = [
    "hub_fault",
    "label_settings",
    "load_classifier",
    "load_image_classifier",
    "load_image_encoder",
    "load_image_processor",
    "load_pooled_classifier",
    "load_tokenizer",
    "model_version",
    "small_resnet",
]

logger = logging.getLogger(__name__)

# Weights, configs, vocabularies.
MODEL_FILES = {".bin", ".jinja", ".json", ".model", ".safetensors", ".txt"}
# How long the Hub may take to answer at all.
HUB_SECONDS = 5.0


def load_tokenizer(model: str) -> PreTrainedTokenizerBase:
    """The tokenizer of a model; see :func:`load_classifier`. One without a padding token pads with its end token."""
    tokenizer: PreTrainedTokenizerBase = _loading(model, AutoTokenizer.from_pretrained, place_of(model))
    if tokenizer.pad_token is None and tokenizer.eos_token is not None:
        logger.warning(
            "model: the tokenizer of %s has no padding token; texts are padded with %s", model, tokenizer.eos_token
        )
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def load_classifier(model: str, label_names: tuple[str, ...], seed: int) -> PreTrainedModel:
    """A text classifier with a fresh head, in float32; the same seed gives the same head.

    Args:
        model: a model of the Hub, a folder, or ``embedded``.
        label_names: the classes, in order; they go into the model's config.
        seed: of the head.

    Raises:
        UserError: no such model, or the Hub is out of reach.
    """
    set_seed(seed)
    network: PreTrainedModel = _loading(
        model,
        AutoModelForSequenceClassification.from_pretrained,
        place_of(model),
        **label_settings(label_names),
        dtype=torch.float32,
        # With dropout the fused kernel falls back to a slower path on CPUs.
        attn_implementation=None if torch.cuda.is_available() else "eager",
    )
    return network


def load_pooled_classifier(model: str, label_names: tuple[str, ...], seed: int, like: str) -> PreTrainedModel:
    """A text classifier on the pooled states of an encoder, with a linear head, in float32.

    Args:
        model: a model of the Hub, a folder, or ``embedded``.
        label_names: the classes, in order.
        seed: of the head.
        like: the model whose files of sentence-transformers say how states are pooled.

    Raises:
        UserError: no such model, or the Hub is out of reach.
    """
    set_seed(seed)
    files = read_sentence_files(place_of(like))
    network: PreTrainedModel = _loading(
        model, _pooled, place_of(model), label_names, pooling=files.pooling, normalize=files.normalize
    )
    return network


def _pooled(place: str, *args: Any, local_files_only: bool, **kwargs: Any) -> PreTrainedModel:
    return PooledTextClassifier.from_encoder(place, *args, **kwargs)


def load_image_processor(model: str, size: tuple[int, int], num_channels: int = 3) -> Any:
    """The image processor of a model; for ``embedded`` one of that width and height that scales to [-1, 1]."""
    if model != "embedded":
        return _loading(model, AutoImageProcessor.from_pretrained, model)
    half = [0.5] * num_channels
    return ViTImageProcessorPil(size={"height": size[1], "width": size[0]}, image_mean=half, image_std=half)


def load_image_classifier(model: str, label_names: tuple[str, ...], seed: int) -> PreTrainedModel:
    """An image classifier with a fresh head; ``embedded`` is :func:`small_resnet`.

    Raises:
        UserError: no such model, or the Hub is out of reach.
    """
    set_seed(seed)
    if model == "embedded":
        return small_resnet(label_names)
    network: PreTrainedModel = _loading(
        model,
        AutoModelForImageClassification.from_pretrained,
        model,
        **label_settings(label_names),
        dtype=torch.float32,
        ignore_mismatched_sizes=True,
    )
    return network


def load_image_encoder(model: str) -> VisionEncoder:
    """A frozen encoder of images.

    Raises:
        UserError: no such model, one that is none of images, or the Hub is out of reach.
    """
    encoder: VisionEncoder = _loading(model, VisionEncoder, model)
    return encoder


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


def small_resnet(label_names: tuple[str, ...], num_channels: int = 3) -> PreTrainedModel:
    """A ResNet of 80,000 weights that starts from nothing, for images of 28 to 64 pixels on a processor.

    Gray images as well are given to it in three channels: a pipeline of transformers makes all images so.
    """
    config = ResNetConfig(
        num_channels=num_channels,
        embedding_size=16,
        hidden_sizes=[16, 32, 64],
        depths=[1, 1, 1],
        layer_type="basic",
        **label_settings(label_names),
    )
    return ResNetForImageClassification(config)


def label_settings(label_names: tuple[str, ...]) -> dict[str, Any]:
    """What a config must be told of the classes."""
    return {
        "num_labels": len(label_names),
        "id2label": dict(enumerate(label_names)),
        "label2id": {name: i for i, name in enumerate(label_names)},
    }


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


def _loading(model: str, load: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
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

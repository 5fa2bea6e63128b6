"""Processors, classifiers and encoders of images that a recipe names: of the Hub, of a folder, or embedded."""

from __future__ import annotations

from typing import Any

import torch
from transformers import (
    AutoImageProcessor,
    AutoModelForImageClassification,
    PreTrainedModel,
    ResNetConfig,
    ResNetForImageClassification,
    set_seed,
)
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

from ...features import VisionEncoder
from .model_loading import label_settings, load_named


__all__ = ["load_image_classifier", "load_image_encoder", "load_image_processor", "small_resnet"]


def load_image_processor(model: str, size: tuple[int, int], num_channels: int = 3) -> Any:
    """The image processor of a model; for ``embedded`` one of that width and height that scales to [-1, 1]."""
    if model != "embedded":
        return load_named(model, AutoImageProcessor.from_pretrained, model)
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
    network: PreTrainedModel = load_named(
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
    encoder: VisionEncoder = load_named(model, VisionEncoder, model)
    return encoder


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

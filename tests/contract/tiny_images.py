"""A tiny image classification problem: 8x8 gray images whose class is the place of a bright bar."""

from __future__ import annotations

from functools import cache
from typing import Any

import datasets
import numpy as np
import torch
from PIL import Image
from transformers import ViTConfig, ViTForImageClassification
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil


CLASSES = 3


@cache
def processor() -> Any:
    return ViTImageProcessorPil(size={"height": 8, "width": 8}, image_mean=[0.5], image_std=[0.25])


def images(count: int, seed: int) -> tuple[list[Image.Image], list[int]]:
    rng = np.random.default_rng(seed)
    labels = [i % CLASSES for i in range(count)]
    drawn = []
    for label in labels:
        pixels = rng.integers(0, 120, (8, 8))
        pixels[1 + 2 * label : 3 + 2 * label] += 100
        drawn.append(Image.fromarray(pixels.astype(np.uint8)))
    return drawn, labels


def dataset(count: int, seed: int, labels: bool = True) -> datasets.Dataset:
    drawn, ids = images(count, seed)
    columns: dict[str, Any] = {"image": drawn} | ({"label": ids} if labels else {})
    return datasets.Dataset.from_dict(columns).cast_column("image", datasets.Image())


def model(seed: int = 0, dropout: float = 0.0) -> ViTForImageClassification:
    torch.manual_seed(seed)
    config = ViTConfig(
        image_size=8,
        patch_size=4,
        num_channels=1,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        num_labels=CLASSES,
        hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout,
        initializer_range=0.2,
    )
    return ViTForImageClassification(config)

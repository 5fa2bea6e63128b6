"""A tiny problem of precomputed features: three clouds in 16 dimensions."""

from __future__ import annotations

from typing import Any

import datasets
import numpy as np
import torch

from textssl.features import FeatureClassifier, FeatureClassifierConfig


CLASSES, SIZE = 3, 16


def dataset(count: int, seed: int, labels: bool = True) -> datasets.Dataset:
    rng = np.random.default_rng(seed)
    ids = np.arange(count) % CLASSES
    centres = np.random.default_rng(0).normal(size=(CLASSES, SIZE))
    columns: dict[str, Any] = {"features": (centres[ids] + rng.normal(size=(count, SIZE))).astype(np.float32)}
    return datasets.Dataset.from_dict(columns | ({"label": ids} if labels else {}))


def model(seed: int = 0, dropout: float = 0.0) -> FeatureClassifier:
    torch.manual_seed(seed)
    return FeatureClassifier(
        FeatureClassifierConfig(input_size=SIZE, hidden_sizes=(24,), dropout=dropout, num_labels=CLASSES)
    )

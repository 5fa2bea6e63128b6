"""Small data for the candidates: each class has words of its own, and a direction of its own in the embeddings."""

from __future__ import annotations

from pathlib import Path

import datasets
import numpy as np
import torch

from tests.contract import tiny_texts
from textssl.fit.data import Examples, FitData
from textssl.models import PooledTextClassifier


NAMES = ("sport", "science", "politics", "music")


def fit_data(
    labeled: int = 12, unlabeled: int = 60, classes: int = 3, dimensions: int = 16, noise: float = 0.25, seed: int = 0
) -> FitData:
    """``labeled`` examples, the classes in turn, and ``unlabeled`` ones."""
    rng = np.random.default_rng(seed)
    centres = np.linalg.qr(rng.normal(size=(dimensions, classes)))[0].T
    numbers = np.arange(labeled + unlabeled) % classes
    features = centres[numbers] + noise * rng.normal(size=(len(numbers), dimensions))
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    texts = [f"{NAMES[c]} {NAMES[c]} number {i}" for i, c in enumerate(numbers)]

    def examples(rows: slice) -> Examples:
        return Examples(features[rows].astype(np.float32), datasets.Dataset.from_dict({"text": texts[rows]}))

    return FitData(
        label_names=NAMES[:classes],
        labels=numbers[:labeled].astype(np.int64),
        labeled=examples(slice(0, labeled)),
        unlabeled=examples(slice(labeled, None)),
        column="text",
        modality="text",
        encoder="encoder",
        max_length=16,
        prototypes=np.zeros((0, dimensions), np.float32),
        prototype_labels=np.zeros(0, np.int64),
        seed=seed,
    )


def encoded_data(folder: Path, labeled: int = 9, unlabeled: int = 30, seed: int = 0) -> FitData:
    """Texts of the contract suite, under a tiny encoder that is written to ``folder``."""
    tiny_texts.model().bert.save_pretrained(folder)
    tiny_texts.tokenizer().save_pretrained(folder)
    encoder = PooledTextClassifier.from_encoder(str(folder), NAMES[: tiny_texts.CLASSES]).eval()

    def examples(count: int, drawn: int) -> Examples:
        texts = tiny_texts.texts(count, drawn)[0]
        tokens = tiny_texts.tokenizer()(texts, padding=True, return_tensors="pt")
        with torch.no_grad():
            vectors = encoder.embed(tokens["input_ids"], tokens["attention_mask"]).numpy()
        return Examples(vectors, datasets.Dataset.from_dict({"text": texts}))

    return FitData(
        label_names=NAMES[: tiny_texts.CLASSES],
        labels=np.array(tiny_texts.texts(labeled, 1)[1]),
        labeled=examples(labeled, 1),
        unlabeled=examples(unlabeled, 2),
        column="text",
        modality="text",
        encoder=str(folder),
        max_length=16,
        prototypes=np.zeros((0, 32), np.float32),
        prototype_labels=np.zeros(0, np.int64),
        seed=seed,
    )

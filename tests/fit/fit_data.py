"""Small data for the candidates: each class has words of its own, and a direction of its own in the embeddings."""

from __future__ import annotations

import datasets
import numpy as np

from textssl.fit.data import Examples, FitData


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

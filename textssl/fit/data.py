"""Few labeled and many unlabeled examples with their embeddings: what every candidate classifier is trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import datasets
import numpy as np


__all__ = ["Examples", "FitData"]


@dataclass(frozen=True)
class Examples:
    """Examples to classify, without labels.

    Attributes:
        features: embeddings of the frozen encoder, float32 ``[n, D]``.
        rows: the examples themselves, n rows.
    """

    features: np.ndarray
    rows: datasets.Dataset

    def __len__(self) -> int:
        return len(self.features)

    def take(self, rows: Sequence[int] | np.ndarray) -> Examples:
        """The examples at ``rows``, in that order."""
        index = np.asarray(rows, dtype=np.int64)
        return Examples(self.features[index], self.rows.select(index))


@dataclass(frozen=True)
class FitData:
    """The data of a choice among classifiers.

    Attributes:
        label_names: the classes, C names; a class number is a place in it.
        labels: class number of each labeled example, int64 ``[N]``.
        labeled: the N labeled examples.
        unlabeled: the M unlabeled ones; M may be 0.
        column: of texts or images.
        modality: ``"text"`` or ``"image"``.
        encoder: folder or name of the model that made the features.
        max_length: most tokens of a text, as the features were made with.
        prototypes: embeddings of descriptions of the classes ``[P, D]``; P may be 0.
        prototype_labels: class number of each description, int64 ``[P]``.
        seed: of all that is drawn.
    """

    label_names: tuple[str, ...]
    labels: np.ndarray
    labeled: Examples
    unlabeled: Examples
    column: str
    modality: str
    encoder: str
    max_length: int
    prototypes: np.ndarray
    prototype_labels: np.ndarray
    seed: int = 0

    @property
    def num_labels(self) -> int:
        """C."""
        return len(self.label_names)

    def take(self, rows: Sequence[int] | np.ndarray) -> FitData:
        """The same data with only some of the labeled examples, as a fold is trained on."""
        index = np.asarray(rows, dtype=np.int64)
        return replace(self, labels=self.labels[index], labeled=self.labeled.take(index))

    def with_seed(self, seed: int) -> FitData:
        """The same data with another seed."""
        return replace(self, seed=seed)

"""Linear heads on the frozen encoder: what is trained on embeddings alone and deployed as encoder and head."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file
from transformers import PreTrainedModel

from ...files import atomic_path
from ..data import Examples, FitData
from ..one_thread import one_thread
from ..probe import LinearHead, fit_probe
from .base import Candidate, Trained
from .networks import model_with


__all__ = ["HeadCandidate", "Probe", "TrainedHead"]


class TrainedHead(Trained):
    """A linear head on the frozen encoder."""

    def __init__(self, head: LinearHead, data: FitData) -> None:
        self.head = head
        self.data = data

    def logits(self, examples: Examples) -> np.ndarray:
        """Logits ``[n, C]`` of n examples."""
        with one_thread():
            return self.head.logits(examples.features)

    def model(self) -> PreTrainedModel:
        """The encoder with this head."""
        return model_with(self.head, self.data)


class HeadCandidate(Candidate):
    """A candidate whose classifier is a linear head; a subclass says how the head is fitted."""

    @abstractmethod
    def fit(self, data: FitData) -> LinearHead:
        """Fit the head, a pure function of ``data``."""

    def train(self, data: FitData, folder: Path, teacher: np.ndarray | None = None) -> TrainedHead:
        """Fit the head; nothing is written."""
        with one_thread():
            return TrainedHead(self.fit(data), data)

    def save(self, trained: Trained, folder: Path) -> None:
        """Write ``head.safetensors``."""
        assert isinstance(trained, TrainedHead)
        tensors = {"weight": trained.head.weight, "bias": trained.head.bias}
        folder.mkdir(parents=True, exist_ok=True)
        with atomic_path(folder / "head.safetensors") as path:
            save_file({name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}, path)

    def load(self, data: FitData, folder: Path) -> TrainedHead:
        """Read ``head.safetensors``."""
        return TrainedHead(LinearHead(**load_file(folder / "head.safetensors")), data)


class Probe(HeadCandidate):
    """Logistic regression on the embeddings of the labeled examples."""

    name = "probe"
    supervised = True

    def fit(self, data: FitData) -> LinearHead:
        """Fit it."""
        return fit_probe(data.labeled.features, data.labels, data.num_labels)

    def seconds(self, data: FitData) -> float:
        """Ten milliseconds, and as many for each hundred labeled examples of ten classes."""
        return 0.01 + 1e-5 * len(data.labels) * data.num_labels

"""What a candidate classifier is: it is trained on :class:`textssl.fit.data.FitData` and gives logits."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar

import numpy as np
from transformers import PreTrainedModel

from ..data import Examples, FitData


__all__ = ["LEVELS", "Candidate", "Trained"]

# From cheap to expensive; a level tries its own candidates and those of the levels before it.
LEVELS = ("fast", "balanced", "best")


class Trained(ABC):
    """A classifier that a candidate has trained."""

    @abstractmethod
    def logits(self, examples: Examples) -> np.ndarray:
        """Logits ``[n, C]``, float64, of n examples."""

    @abstractmethod
    def model(self) -> PreTrainedModel:
        """The classifier as one model of transformers that takes texts (token ids) or images (pixel values)."""


class Candidate(ABC):
    """A way to train a classifier.

    Attributes:
        name: in tables, in file names and in records; unique among the candidates.
        level: the first of :data:`LEVELS` that tries it.
        needs_unlabeled: whether it cannot be trained without unlabeled examples.
        takes_teacher: whether :meth:`train` wants the probabilities of a teacher.
        supervised: whether it learns from labels alone; the cheapest of these is what the others must beat.
    """

    name: str
    level: ClassVar[str] = "fast"
    needs_unlabeled: ClassVar[bool] = False
    takes_teacher: ClassVar[bool] = False
    supervised: ClassVar[bool] = False

    @abstractmethod
    def train(self, data: FitData, folder: Path, teacher: np.ndarray | None = None) -> Trained:
        """Train on ``data``, a pure function of it, its seed included.

        Args:
            data: labeled examples, of a fold or all, and the unlabeled ones.
            folder: for what it must write while it trains; removed afterwards.
            teacher: probabilities ``[M, C]`` of the best candidate before it, for the unlabeled examples, where
                :attr:`takes_teacher`.
        """

    @abstractmethod
    def save(self, trained: Trained, folder: Path) -> None:
        """Write what :meth:`load` needs into ``folder``, atomically and without a pickle."""

    @abstractmethod
    def load(self, data: FitData, folder: Path) -> Trained:
        """Read what :meth:`save` wrote."""

    @abstractmethod
    def seconds(self, data: FitData) -> float:
        """Roughly how long one training takes on this machine, before one was measured."""

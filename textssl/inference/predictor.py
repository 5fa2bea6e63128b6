"""What predicts, to those who only ask it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from .place import ModelPlace


__all__ = ["Predictor"]


class Predictor(Protocol):
    """A classifier of raw inputs, see :class:`textssl.inference.Classifier`."""

    label_names: tuple[str, ...]
    modality: str
    pairs: bool
    place: ModelPlace

    def predict_proba(self, inputs: Sequence[Any], on_batch: Callable[[int], object] | None = None) -> np.ndarray:
        """Probabilities ``[N, C]``."""
        ...

"""Embeddings of the examples of a choice among classifiers, within a time budget."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import datasets
import numpy as np

from ..data.feature_validation import feature_array
from ..data.sources import embedded_model_path
from ..errors import UserError
from ..features import SentenceEncoder, VisionEncoder, embed, embed_images
from .budget import Budget


__all__ = ["encoder_folder", "image_features", "text_features"]

EMBEDDED = "embedded"
FEATURES = "features"
# Texts between two looks at the clock.
PIECE = 64


def encoder_folder(encoder: str, modality: str) -> str:
    """The folder or the name on the Hub of an encoder.

    Raises:
        UserError: ``"embedded"`` for images, or its package is not installed.
    """
    if encoder != EMBEDDED:
        return encoder
    if modality == "image":
        raise UserError("encoder: got 'embedded', which reads texts; name a model of images, such as one of DINOv2")
    return str(embedded_model_path())


def text_features(
    texts: datasets.Dataset,
    column: str,
    encoder: str,
    cache_dir: Path,
    max_length: int,
    budget: Budget,
    progress: bool,
) -> np.ndarray:
    """Embeddings of the texts, float32 ``[n, D]``.

    Raises:
        UserError: an encoder that cannot be loaded; the budget ends before the texts do.
    """
    timed: Any = _Timed(SentenceEncoder(encoder, max_length=max_length), budget, len(texts))
    try:
        rows = embed(texts, column, timed, cache_dir, into=FEATURES, progress=progress)
    except UserError as error:
        if not str(error).startswith("encoder:"):
            raise
        raise _with_offer(error, encoder) from error
    return feature_array(rows, FEATURES)


def image_features(
    images: datasets.Dataset, column: str, encoder: str, cache_dir: Path, budget: Budget, progress: bool
) -> np.ndarray:
    """Embeddings of the images, float32 ``[n, D]``.

    Raises:
        UserError: an encoder that cannot be loaded; the budget ends before the images do.
    """
    try:
        vision = VisionEncoder(encoder)
    except UserError:
        raise
    except Exception as error:  # files, network and configuration have more kinds of failure than can be listed
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise UserError(f"encoder: {encoder!r} cannot be loaded ({reason[:200]})") from error
    timed: Any = _Timed(vision, budget, len(images))
    rows = embed_images(images, column, timed, cache_dir, into=FEATURES, progress=progress)
    return feature_array(rows, FEATURES)


class _Timed:
    """An encoder that stops when the budget ends."""

    def __init__(self, encoder: Any, budget: Budget, total: int) -> None:
        self._encoder, self._budget, self._total, self._done = encoder, budget, total, 0
        self.batch_size: int = encoder.batch_size
        self.max_length: int | None = getattr(encoder, "max_length", None)

    @property
    def name(self) -> str:
        return str(self._encoder.name)

    def __call__(self, examples: Sequence[Any]) -> np.ndarray:
        parts = []
        for start in range(0, len(examples), PIECE):
            if self._budget.left <= 0:
                raise UserError(
                    f"time_budget: got {self._budget.seconds:g} s, which ended when {self._done:,} of {self._total:,} "
                    "examples were embedded; no candidate could be trained. What is embedded is kept: call again, "
                    "with more time"
                )
            piece = examples[start : start + PIECE]
            parts.append(self._encoder(piece))
            self._done += len(piece)
        return np.concatenate(parts)


def _with_offer(error: UserError, encoder: str) -> UserError:
    """The error, with the encoder that is always there."""
    try:
        if encoder == str(embedded_model_path()):
            return error
    except UserError:
        return error
    return UserError(f"{error}; encoder='embedded', all-MiniLM-L6-v2, is on this machine")

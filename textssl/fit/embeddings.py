"""Embeddings of the examples of a choice among classifiers, within a time budget."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import datasets
import numpy as np

from ..errors import UserError
from ..features import SentenceEncoder, VisionEncoder
from ..features.extraction import features_of
from ..features.settings import EncoderSettings, settings_of
from ..models.embedded import EMBEDDED, embedded_model_path
from ..models.modeling_hog_encoder import save_hog_encoder
from .budget import Budget
from .candidates.networks import quiet
from .progress import Say


__all__ = ["embeddings", "encoder_folder"]

# Texts between two looks at the clock.
PIECE = 64


def encoder_folder(encoder: str, modality: str, folder: Path) -> str:
    """The folder or the name on the Hub of an encoder.

    Args:
        encoder: as a person named it.
        modality: ``"text"`` or ``"image"``.
        folder: gets the encoder that ``"embedded"`` means for images, which no package brings.

    Raises:
        UserError: the package of the embedded encoder of texts is not installed.
    """
    if encoder != EMBEDDED:
        return encoder
    if modality == "image":
        with quiet():
            return str(save_hog_encoder(folder / "encoder"))
    return str(embedded_model_path())


def embeddings(
    rows: datasets.Dataset,
    column: str,
    encoder: str,
    max_length: int,
    budget: Budget,
    *,
    modality: str = "text",
    cache_dir: str | os.PathLike[str] | None = None,
    fallback_dir: Path | None = None,
    say: Say | None = None,
) -> np.ndarray:
    """Embeddings of texts or images, float32 ``[n, D]``.

    Args:
        rows: n > 0 examples.
        column: of texts or images.
        encoder: a folder or a name on the Hub.
        max_length: most tokens of a text.
        budget: of time.
        modality: ``"text"`` or ``"image"``.
        cache_dir: as for :func:`textssl.features.embed`.
        fallback_dir: as for :func:`textssl.features.embed`.
        say: is given a line of progress now and then.

    Raises:
        UserError: an encoder that cannot be loaded; the budget ends before the examples do.
    """
    try:
        timed: Any = _Timed(_loaded(encoder, max_length, modality), budget, len(rows), say)
        return features_of(rows, column, timed, None, cache_dir, fallback_dir=fallback_dir, progress=False)
    except UserError as error:
        message = str(error)
        if modality != "text" or not message.startswith("encoder:") or not _offers_embedded(encoder):
            raise
        raise UserError(f"{message}; encoder='embedded', all-MiniLM-L6-v2, is on this machine") from error


class _Timed:
    """An encoder that says how far it is, and stops when the budget ends."""

    def __init__(self, encoder: Any, budget: Budget, total: int, say: Say | None) -> None:
        self._encoder, self._budget, self._total, self._done = encoder, budget, total, 0
        self._say, self._start = say, time.monotonic()
        self.batch_size: int = encoder.batch_size

    @property
    def name(self) -> str:
        return str(self._encoder.name)

    @property
    def settings(self) -> EncoderSettings:
        return settings_of(self._encoder)

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
            if self._say is not None:
                seconds = (time.monotonic() - self._start) / self._done * (self._total - self._done)
                self._say(f"embedding: {self._done:,} of {self._total:,}, at most {seconds:,.0f} s left")
        return np.concatenate(parts)


def _loaded(encoder: str, max_length: int, modality: str) -> SentenceEncoder | VisionEncoder:
    if modality == "text":
        return SentenceEncoder(encoder, max_length=max_length)
    try:
        return VisionEncoder(encoder)
    except UserError:
        raise
    except Exception as error:  # files, network and configuration have more kinds of failure than can be listed
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise UserError(f"encoder: {encoder!r} cannot be loaded ({reason[:200]})") from error


def _offers_embedded(encoder: str) -> bool:
    """Whether there is another encoder on this machine than the one named."""
    try:
        return encoder != str(embedded_model_path())
    except UserError:
        return False

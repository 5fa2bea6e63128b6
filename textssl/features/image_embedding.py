"""Columns of features: what a frozen encoder makes of images, computed once and kept."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from accelerate import PartialState
from datasets import Dataset

from ..data.image_tables import image_digests
from ..data.vectors import with_features
from ..errors import UserError
from ..progress import ShowProgress, counted
from .cache import FeatureCache, cache_folders
from .image_encoders import ImageEncoder
from .settings import settings_of
from .store import feature_key


__all__ = ["embed_images", "image_features"]

# What a kill can lose. Of its images one batch is decoded at a time.
SHARD_IMAGES = 512


def embed_images(
    dataset: Dataset,
    column: str,
    encoder: ImageEncoder,
    cache_dir: str | os.PathLike[str] | None = None,
    *,
    fallback_dir: str | os.PathLike[str] | None = None,
    into: str = "features",
    progress: bool | ShowProgress = True,
) -> Dataset:
    """Add a column of features: a vector of D numbers in float32 for each image.

    Features are kept in a cache that runs share, found by image, encoder and pooling: equal images are encoded once, a
    second call encodes nothing, and a killed one goes on where it was. A cache that cannot be written is a warning.
    No more images than one batch of the encoder are decoded at a time. With several processes one encodes and the
    others read.

    Args:
        dataset: N > 0 rows.
        column: with the feature ``datasets.Image``.
        encoder: such as :class:`textssl.features.VisionEncoder`.
        cache_dir: as for :func:`textssl.features.embed`.
        fallback_dir: as for :func:`textssl.features.embed`.
        into: name of the new column.
        progress: show a progress bar, or what shows it.

    Returns:
        The rows with the new column, which is held in memory: 4 D bytes a row.

    Raises:
        UserError: an image that cannot be opened, or an encoder that does not give one finite vector for each.
    """
    vectors = image_features(dataset, column, encoder, [cache_dir, fallback_dir], progress)
    return with_features(dataset, into, vectors)


def image_features(
    dataset: Dataset,
    column: str,
    encoder: ImageEncoder,
    folders: Sequence[str | os.PathLike[str] | None],
    progress: bool | ShowProgress,
) -> np.ndarray:
    """The vectors [N, D] of N images; see :func:`textssl.features.embedding.text_features`."""
    digests = image_digests(dataset, column).to_pylist()
    settings = settings_of(encoder)
    keys = [feature_key(settings.identity, digest) for digest in digests]
    # The first row of each image.
    rows = dict(zip(reversed(keys), range(len(keys) - 1, -1, -1), strict=True))
    places = cache_folders(*folders)
    with PartialState().main_process_first():
        cache = FeatureCache(settings, places)
        missing = sorted(row for key, row in rows.items() if key not in cache)
        _fill(cache, dataset.select_columns([column]).with_format(None), missing, keys, encoder, progress)
        return cache.get(keys)


def _fill(
    cache: FeatureCache,
    images: Dataset,
    missing: list[int],
    keys: list[bytes],
    encoder: ImageEncoder,
    progress: bool | ShowProgress,
) -> None:
    """Encode the rows that are not stored; each shard is on the disk before the next."""
    if not missing:
        return
    with counted(progress, len(missing), 0, f"embedding into {cache.place}", "image") as bar:
        for start in range(0, len(missing), SHARD_IMAGES):
            shard, vectors = missing[start : start + SHARD_IMAGES], []
            for first in range(0, len(shard), encoder.batch_size):
                batch = shard[first : first + encoder.batch_size]
                (column,) = images.column_names
                vectors.append(_encoded(encoder, [images[row][column] for row in batch]))
                bar.advance(len(batch))
            cache.add([keys[row] for row in shard], np.concatenate(vectors))


def _encoded(encoder: ImageEncoder, images: list[Any]) -> np.ndarray:
    vectors = np.asarray(encoder(images), dtype=np.float32)
    if vectors.ndim != 2 or len(vectors) != len(images) or not vectors.shape[1]:
        raise UserError(
            f"encoder: {encoder.name!r} gave shape {list(vectors.shape)} for {len(images)} images; "
            f"expected [{len(images)}, D]"
        )
    if not np.isfinite(vectors).all():
        raise UserError(f"encoder: {encoder.name!r} gave nan or infinity for an image")
    return vectors

"""Columns of features: what a frozen encoder makes of images, computed once and kept."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import numpy as np
from accelerate import PartialState
from datasets import Dataset

from ..data.feature_validation import with_features
from ..data.image_tables import image_digests
from ..errors import UserError
from .image_encoders import ImageEncoder
from .store import FeatureStore, feature_key


__all__ = ["embed_images"]

# What a kill can lose. Of its images one batch is decoded at a time.
SHARD_IMAGES = 512


def embed_images(
    dataset: Dataset,
    column: str,
    encoder: ImageEncoder,
    cache_dir: str | os.PathLike[str],
    *,
    into: str = "features",
    progress: bool = True,
) -> Dataset:
    """Add a column of features: a vector of D numbers in float32 for each image.

    Features are kept in ``cache_dir``, found by encoder and image: equal images are encoded once, a second call
    encodes nothing, and a killed one goes on where it was. No more images than one batch of the encoder are decoded
    at a time. With several processes one encodes and the others read.

    Args:
        dataset: N > 0 rows.
        column: with the feature ``datasets.Image``.
        encoder: such as :class:`textssl.features.VisionEncoder`.
        cache_dir: the folder of the cache; each encoder has a folder in it.
        into: name of the new column.
        progress: show a progress bar.

    Returns:
        The rows with the new column, which is held in memory: 4 D bytes a row.

    Raises:
        UserError: an image that cannot be opened, or an encoder that does not give one finite vector for each.
    """
    digests = image_digests(dataset, column).to_pylist()
    keys = [feature_key(encoder.name, None, digest) for digest in digests]
    # The first row of each image.
    rows = dict(zip(reversed(keys), range(len(keys) - 1, -1, -1), strict=True))
    with PartialState().main_process_first():
        store = FeatureStore(Path(cache_dir) / hashlib.sha256(encoder.name.encode()).hexdigest()[:16])
        missing = sorted(row for key, row in rows.items() if key not in store)
        _fill(store, dataset.select_columns([column]).with_format(None), missing, keys, encoder, progress)
        return with_features(dataset, into, store.get(keys))


def _fill(
    store: FeatureStore, images: Dataset, missing: list[int], keys: list[bytes], encoder: ImageEncoder, progress: bool
) -> None:
    """Encode the rows that are not stored; each shard is on the disk before the next."""
    from tqdm.auto import tqdm

    if not missing:
        return
    with tqdm(total=len(missing), desc=f"features into {store.folder}", unit="image", disable=not progress) as bar:
        for start in range(0, len(missing), SHARD_IMAGES):
            shard, vectors = missing[start : start + SHARD_IMAGES], []
            for first in range(0, len(shard), encoder.batch_size):
                batch = shard[first : first + encoder.batch_size]
                (column,) = images.column_names
                vectors.append(_encoded(encoder, [images[row][column] for row in batch]))
                bar.update(len(batch))
            store.add([keys[row] for row in shard], np.concatenate(vectors), {"encoder": encoder.name})


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

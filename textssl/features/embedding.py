"""Columns of features: what a frozen encoder makes of texts, computed once and kept."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from accelerate import PartialState
from datasets import Dataset

from ..augment import Augmentation
from ..data.validation import check_texts
from ..data.vectors import with_features
from ..errors import UserError
from ..progress import ShowProgress, counted
from .cache import FeatureCache, cache_folders
from .encoders import DEFAULT_LENGTH, Encoder, SentenceEncoder
from .settings import settings_of
from .store import feature_key


__all__ = ["embed", "embed_views", "text_features"]

# What a kill can lose: seconds of work, on a processor at most half a minute.
SHARD_TEXTS = 512


def embed(
    dataset: Dataset,
    column: str,
    encoder: str | os.PathLike[str] | Encoder,
    cache_dir: str | os.PathLike[str] | None = None,
    *,
    fallback_dir: str | os.PathLike[str] | None = None,
    batch_size: int = 64,
    into: str = "features",
    max_length: int | None = None,
    progress: bool | ShowProgress = True,
) -> Dataset:
    """Add a column of features: a vector of D numbers in float32 for each text.

    Features are kept in a cache that runs share, found by text, encoder, ``max_length``, pooling and precision: equal
    texts are encoded once, a second call encodes nothing, and a killed one goes on where it was. With several
    processes one encodes and the others read. A cache that cannot be written is a warning.

    Args:
        dataset: N > 0 rows.
        column: of the texts.
        encoder: what :class:`SentenceEncoder` takes as ``model`` (a folder, a name on the Hub, ``"embedded"``), or
            any :class:`Encoder`, called with up to 512 texts of like length, longest first.
        cache_dir: the folder of the cache, in which each encoder has a folder; see
            :func:`textssl.features.cache.cache_folder` for the default.
        fallback_dir: the same where ``cache_dir`` cannot be written; by default the features are then held in memory.
        batch_size: texts per pass of a named model.
        into: name of the new column.
        max_length: most tokens of a text, for a named model; by default 128, as a recipe's. A
            :class:`SentenceEncoder` has one of its own.
        progress: show a progress bar, or what shows it.

    Returns:
        The rows with the new column, which is held in memory: 4 D bytes a row.

    Raises:
        UserError: no such column, one named ``into`` already, no rows, a value that is no string; an encoder that
            cannot be loaded, has no name, or does not give one finite vector for each text.
    """
    _check(dataset, column, [into])
    model = _encoder(encoder, batch_size, max_length)
    texts = dataset.with_format(None)[column][:]
    return with_features(dataset, into, text_features(texts, model, [cache_dir, fallback_dir], progress))


def embed_views(
    dataset: Dataset,
    column: str,
    augmentation: Augmentation,
    encoder: str | os.PathLike[str] | Encoder,
    cache_dir: str | os.PathLike[str] | None,
    count: int,
    seed: int,
    *,
    fallback_dir: str | os.PathLike[str] | None = None,
    batch_size: int = 64,
    into: str = "features",
    max_length: int | None = None,
    progress: bool | ShowProgress = True,
) -> Dataset:
    """Add the features of augmented texts, as columns ``{into}_strong_0``, ``{into}_strong_1`` and so on.

    ``OneOf([Column(f"features_strong_{k}", "features") for k in range(count)])`` of :mod:`textssl.augment` is
    then a strong view.

    Args:
        dataset: N > 0 rows.
        column: of the texts.
        augmentation: how a text is changed; version k of row i has the rng
            ``np.random.default_rng([seed, i, k])``.
        encoder: as for :func:`embed`.
        cache_dir: as for :func:`embed`.
        count: versions of each text, at least 1.
        seed: of all versions.
        fallback_dir: as for :func:`embed`.
        batch_size: as for :func:`embed`.
        into: beginning of the names of the new columns.
        max_length: as for :func:`embed`.
        progress: as for :func:`embed`.

    Returns:
        The rows with the new columns, which are held in memory: 4 D ``count`` bytes a row.

    Raises:
        UserError: as for :func:`embed`; a count below 1, or an augmentation that gives no string.
    """
    if count < 1:
        raise UserError(f"count: got {count}; expected at least 1")
    names = [f"{into}_strong_{k}" for k in range(count)]
    _check(dataset, column, names)
    model = _encoder(encoder, batch_size, max_length)
    rows = dataset.with_format(None)
    for k, name in enumerate(names):
        texts = [augmentation(row, np.random.default_rng([seed, i, k]))[column] for i, row in enumerate(rows)]
        for i, text in enumerate(texts):
            if not isinstance(text, str):
                raise UserError(f"augmentation: got {text!r:.60} for row {i}; expected a string")
        dataset = with_features(dataset, name, text_features(texts, model, [cache_dir, fallback_dir], progress))
    return dataset


def _check(dataset: Dataset, column: str, names: Sequence[str]) -> None:
    if column not in dataset.column_names:
        raise UserError(f"column: got {column!r}; the data have {dataset.column_names}")
    if taken := sorted({*names} & {*dataset.column_names}):
        raise UserError(f"into: the data already have {taken}")
    if len(dataset) == 0:
        raise UserError("dataset: it is empty; expected at least one row")
    check_texts(dataset, column, "dataset")


def _encoder(encoder: str | os.PathLike[str] | Encoder, batch_size: int, max_length: int | None) -> Encoder:
    if isinstance(encoder, str | os.PathLike):
        return SentenceEncoder(os.fspath(encoder), max_length=max_length or DEFAULT_LENGTH, batch_size=batch_size)
    if not callable(encoder) or not isinstance(getattr(encoder, "name", None), str):
        raise UserError(f"encoder: got {type(encoder).__name__}; expected a model, or a callable with a string 'name'")
    if max_length is not None:
        raise UserError(f"max_length: got {max_length}; it is for a named model, and the encoder is a callable")
    return encoder


def text_features(
    texts: Sequence[str],
    encoder: Encoder,
    folders: Sequence[str | os.PathLike[str] | None],
    progress: bool | ShowProgress,
) -> np.ndarray:
    """The vectors [N, D] of N texts.

    Args:
        texts: N > 0 texts.
        encoder: what makes the vectors of those that no cache has.
        folders: the cache and where to go from there, as :func:`textssl.features.cache.cache_folders` takes them.
        progress: show a progress bar, or what shows it.
    """
    numbers: dict[str, int] = {}
    rows = np.fromiter((numbers.setdefault(str(text), len(numbers)) for text in texts), np.int64, len(texts))
    places = cache_folders(*folders)
    # The others come when a model of the Hub is in the cache and its texts are encoded.
    with PartialState().main_process_first():
        settings = settings_of(encoder)
        cache = FeatureCache(settings, places)
        keyed = {feature_key(settings.identity, text): text for text in numbers}
        _fill(cache, keyed, encoder, progress)
        return cache.get(list(keyed))[rows]


def _fill(cache: FeatureCache, keyed: dict[bytes, str], encoder: Encoder, progress: bool | ShowProgress) -> None:
    """Encode what is not stored, texts of like length together; each shard is on the disk before the next."""
    missing = sorted((key for key in keyed if key not in cache), key=lambda key: -len(keyed[key]))
    if not missing:
        return
    with counted(progress, len(keyed), len(keyed) - len(missing), f"embedding into {cache.place}", "text") as bar:
        for start in range(0, len(missing), SHARD_TEXTS):
            keys = missing[start : start + SHARD_TEXTS]
            cache.add(keys, _encode(encoder, [keyed[key] for key in keys]))
            bar.advance(len(keys))


def _encode(encoder: Encoder, texts: list[str]) -> np.ndarray:
    vectors: Any = np.asarray(encoder(texts), dtype=np.float32)
    if vectors.ndim != 2 or len(vectors) != len(texts) or not vectors.shape[1]:
        raise UserError(
            f"encoder: {encoder.name!r} gave shape {list(vectors.shape)} for {len(texts)} texts; "
            f"expected [{len(texts)}, D]"
        )
    wrong = ~np.isfinite(vectors).all(1)
    if wrong.any():
        text = texts[int(np.argmax(wrong))]
        raise UserError(f"encoder: {encoder.name!r} gave nan or infinity for the text {text!r:.60}")
    return vectors

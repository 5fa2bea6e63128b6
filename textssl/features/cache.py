"""One cache of feature vectors for all runs, that a run can do without where it cannot be written."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from huggingface_hub import constants

from ..errors import UserError
from ..notices import warn_once
from .settings import EncoderSettings
from .store import FeatureStore


__all__ = ["CACHE_VARIABLE", "FeatureCache", "cache_folder", "cache_folders"]

CACHE_VARIABLE = "TEXTSSL_CACHE"

logger = logging.getLogger(__name__)


def cache_folder(cache_dir: str | os.PathLike[str] | None = None) -> Path:
    """Where feature vectors are kept.

    Args:
        cache_dir: a folder that was chosen. Without one it is ``embeddings`` in the folder that the environment
            variable ``TEXTSSL_CACHE`` names, or else ``textssl/embeddings`` beside the cache of the Hub, in
            ``HF_HOME``.

    Raises:
        UserError: it is a file.
    """
    if cache_dir is not None:
        folder = Path(cache_dir).expanduser()
    elif named := os.environ.get(CACHE_VARIABLE):
        folder = Path(named).expanduser() / "embeddings"
    else:
        folder = Path(constants.HF_HOME) / "textssl" / "embeddings"
    if folder.is_file():
        raise UserError(f"cache_dir: got {str(folder)!r}, which is a file; give a folder")
    return folder


def cache_folders(
    cache_dir: str | os.PathLike[str] | None = None, fallback_dir: str | os.PathLike[str] | None = None
) -> list[Path]:
    """The folders of a :class:`FeatureCache`, the preferred one first."""
    return [cache_folder(cache_dir), *([] if fallback_dir is None else [Path(fallback_dir)])]


class FeatureCache:
    """The vectors of one encoder: found in all folders, written to the first that takes them, else held in memory.

    A folder that cannot be read is as one that is empty.

    Args:
        settings: of the encoder; they name its folder in each of the others.
        folders: of caches, the preferred one first.
    """

    def __init__(self, settings: EncoderSettings, folders: Sequence[Path]) -> None:
        inner = hashlib.sha256(settings.identity.encode()).hexdigest()[:16]
        self._stores = [store for folder in folders if (store := _opened(folder, inner)) is not None]
        self._writable = list(self._stores)
        self._memory: dict[bytes, np.ndarray] = {}
        self._facts = {"encoder": settings.name, "settings": settings.identity}

    @property
    def place(self) -> str:
        """Where vectors are written now, for a person."""
        return str(self._writable[0].folder) if self._writable else "memory"

    def __contains__(self, key: bytes) -> bool:
        return key in self._memory or any(key in store for store in self._stores)

    def get(self, keys: Sequence[bytes]) -> np.ndarray:
        """The vectors [n, D] under n > 0 keys, in their order.

        Raises:
            KeyError: a key that is not in the cache.
        """
        found: list[tuple[list[int], np.ndarray]] = []
        rows = [row for row, key in enumerate(keys) if key in self._memory]
        if rows:
            found.append((rows, np.stack([self._memory[keys[row]] for row in rows])))
        left = [row for row, key in enumerate(keys) if key not in self._memory]
        for store in self._stores:
            if rows := [row for row in left if keys[row] in store]:
                found.append((rows, store.get([keys[row] for row in rows])))
                left = [row for row in left if keys[row] not in store]
        if left:
            raise KeyError(keys[left[0]])
        vectors = np.empty((len(keys), found[0][1].shape[1]), np.float32)
        for rows, part in found:
            vectors[rows] = part
        return vectors

    def add(self, keys: Sequence[bytes], vectors: np.ndarray) -> None:
        """Keep ``vectors`` [n, D] under n keys, on the disk if any folder can be written.

        Args:
            keys: of :func:`textssl.features.store.feature_key`.
            vectors: finite.
        """
        while self._writable:
            try:
                self._writable[0].add(keys, vectors, self._facts)
            except OSError as error:
                failed = self._writable.pop(0)
                where = f"kept in {self.place}" if self._writable else "held in memory alone"
                reason = error.strerror or error
                warn_once(logger, f"{failed.folder.parent} cannot be written ({reason}); embeddings are {where}")
            else:
                return
        self._memory.update(zip(keys, np.asarray(vectors, np.float32), strict=True))


def _opened(folder: Path, inner: str) -> FeatureStore | None:
    try:
        return FeatureStore(folder / inner)
    except OSError as error:
        warn_once(logger, f"{folder} cannot be read ({error.strerror or error}); embeddings in it are computed again")
        return None

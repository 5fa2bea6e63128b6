"""Feature vectors on disk, found by the content that they were computed from, whole after a kill at any moment.

A store is a folder of safetensors files, the shards, which are written once and never changed. A shard appears
under its name only when it is complete, and the name holds the checksum of its content. Several jobs may write
into one folder.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from ..errors import UserError
from ..files import sha256_of, write_atomically


__all__ = ["FeatureStore", "feature_key"]

KEY_BYTES = 32

_SHARD_NAME = re.compile(r"features-(?P<checksum>[0-9a-f]{32})\.safetensors")

logger = logging.getLogger(__name__)


def feature_key(made_by: str, content: str) -> bytes:
    """What a feature vector is stored under: the sha256 of all that it depends on, 32 bytes.

    Args:
        made_by: ``identity`` of :class:`textssl.features.settings.EncoderSettings`: encoder, length, pooling.
        content: a text exactly as given to the encoder, or the checksum of an image.
    """
    return hashlib.sha256(json.dumps([made_by, content]).encode("ascii")).digest()


class FeatureStore:
    """A map from key to feature vector that grows by shards.

    Only keys and places are held in memory, about 200 bytes a vector. A shard is read whole and checked when the
    first of its keys is asked for: one that was cut or changed is deleted with a warning, so that its vectors are
    missing and are computed anew. Shards which other jobs write later are not seen until the store is opened again.

    Args:
        folder: made with the first shard.

    Raises:
        UserError: ``folder`` is a file.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        self._shards: list[Path] = []
        self._checked: set[int] = set()
        self._size: int | None = None
        self._places: dict[bytes, tuple[int, int]] = {}
        if not self.folder.exists():
            return
        if not self.folder.is_dir():
            raise UserError(f"cache_dir: got {str(self.folder)!r}, which is a file; give a folder")
        for path in sorted(self.folder.iterdir()):
            if _SHARD_NAME.fullmatch(path.name):
                self._open_shard(path)

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, key: bytes) -> bool:
        place = self._places.get(key)
        return place is not None and self._is_whole(place[0])

    def get(self, keys: Sequence[bytes]) -> np.ndarray:
        """The vectors [n, D] stored under n > 0 keys, in their order; one shard at a time is read.

        Raises:
            KeyError: a key that is not in the store.
        """
        if missing := [key for key in keys if key not in self]:
            raise KeyError(missing[0])
        places = np.array([self._places[key] for key in keys], dtype=np.int64).reshape(-1, 2)
        vectors = np.empty((0, 0), np.float32)
        for number in np.unique(places[:, 0]):
            with safe_open(self._shards[number], framework="np") as shard:
                stored = shard.get_tensor("features")
            if not vectors.size:
                vectors = np.empty((len(keys), stored.shape[1]), np.float32)
            here = places[:, 0] == number
            vectors[here] = stored[places[here, 1]]
        return vectors

    def add(self, keys: Sequence[bytes], vectors: np.ndarray, facts: Mapping[str, str] | None = None) -> None:
        """Store ``vectors`` [n, D] under n keys. When this returns they are on the disk, as one new shard.

        Args:
            keys: of :func:`feature_key`.
            vectors: finite; stored in float32.
            facts: what a person who opens the shard may want to know.

        Raises:
            ValueError: not one vector for each key, or D differs from that of the vectors in the store.
        """
        vectors = np.ascontiguousarray(vectors, dtype=np.float32)
        if vectors.ndim != 2 or len(vectors) != len(keys):
            raise ValueError(f"vectors: got shape {list(vectors.shape)}; expected [{len(keys)}, D]")
        if not keys:
            return
        if self._size not in (None, vectors.shape[1]):
            raise ValueError(f"vectors: got D = {vectors.shape[1]}; the store in {self.folder} has another")
        joined = np.frombuffer(b"".join(keys), np.uint8).reshape(len(keys), KEY_BYTES)
        content = save({"keys": joined, "features": vectors}, metadata=dict(facts or {}))
        checksum = hashlib.sha256(content).hexdigest()[:32]
        path = write_atomically(self.folder / f"features-{checksum}.safetensors", content)
        self._checked.add(len(self._shards))
        self._index(path, joined)
        self._size = vectors.shape[1]

    def _open_shard(self, path: Path) -> None:
        try:
            with safe_open(path, framework="np") as shard:
                keys = shard.get_tensor("keys")
                self._size = int(shard.get_slice("features").get_shape()[1])
        except FileNotFoundError:
            # Another process saw that it was damaged.
            return
        except SafetensorError:
            self._delete(path)
            return
        self._index(path, keys)

    def _is_whole(self, number: int) -> bool:
        """Whether a shard holds what was written; it is read once to tell."""
        if number in self._checked:
            return True
        path = self._shards[number]
        match = _SHARD_NAME.fullmatch(path.name)
        assert match is not None, "only such files are indexed"
        try:
            whole = sha256_of(path)[:32] == match["checksum"]
        except FileNotFoundError:
            whole = False
        if whole:
            self._checked.add(number)
            return True
        self._delete(path)
        self._places = {key: place for key, place in self._places.items() if place[0] != number}
        return False

    def _delete(self, path: Path) -> None:
        logger.warning("%s is corrupt; deleting it and recomputing its features", path)
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            logger.warning("%s cannot be deleted (%s)", path, error)

    def _index(self, path: Path, keys: np.ndarray) -> None:
        for row, key in enumerate(keys):
            self._places[key.tobytes()] = (len(self._shards), row)
        self._shards.append(path)

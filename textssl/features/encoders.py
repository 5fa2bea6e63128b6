"""Frozen encoders: from texts to vectors of a fixed size."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import huggingface_hub
import numpy as np
import torch
from accelerate import PartialState
from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils import validate_repo_id

from ..errors import UserError
from ..files import sha256_of_all
from ..models.embedded import EMBEDDED, embedded_model_path
from ..models.inspection import position_limit
from ..models.load_report import quiet_load_report
from ..models.precision import computes_in_bfloat16
from ..models.sentence_transformers_files import SentenceFiles, read_sentence_files
from .settings import EncoderSettings


__all__ = ["DEFAULT_LENGTH", "Encoder", "SentenceEncoder", "folder_checksum"]

# Most tokens of a text where nobody says otherwise: that of SSLConfig, so that all features of one encoder agree.
DEFAULT_LENGTH = 128
# What sentence-transformers does where no file says how to pool.
MEAN = "mean"
OTHER = "modules of sentence-transformers"
# Descriptions, and other forms of the same weights.
NO_PART_OF_A_MODEL = {".md", ".onnx", ".png", ".gitattributes"}


class Encoder(Protocol):
    """Anything that turns texts into vectors.

    Attributes:
        name: what the vectors depend on besides the text, such as model and revision: vectors are kept under it.
    """

    @property
    def name(self) -> str:
        """Two encoders of one name give one text one vector."""
        ...

    def __call__(self, texts: list[str]) -> np.ndarray:
        """Vectors [n, D] of n texts."""
        ...


class SentenceEncoder:
    """A model of sentence-transformers (Reimers and Gurevych, 2019, arXiv:1908.10084).

    It is loaded when the first text must be encoded. Where the device computes in bfloat16, matrix products do:
    for all-MiniLM-L6-v2 this is twice as fast and the cosine to vectors in float32 is above 0.9999.

    Args:
        model: a folder, the ``owner/name`` of a model on the Hub, or ``"embedded"`` for all-MiniLM-L6-v2 from
            the package of :func:`textssl.models.embedded.embedded_model_path`.
        revision: of a model on the Hub: branch, tag or commit; the default branch as the cache has it, or as the
            Hub has it if the model is not in the cache.
        max_length: most tokens of a text, special ones included; the model's own limit by default.
        batch_size: texts per pass.
        device: such as ``"cuda:0"``; the one of this process by default.
        bf16: whether matrix products are computed in bfloat16; by default where the device computes in it.

    Raises:
        UserError: no such folder, a size out of range; when first used, a model that cannot be loaded or whose
            positions are fewer than ``max_length``.
    """

    def __init__(
        self,
        model: str = EMBEDDED,
        *,
        revision: str | None = None,
        max_length: int | None = None,
        batch_size: int = 64,
        device: str | None = None,
        bf16: bool | None = None,
    ) -> None:
        if batch_size < 1:
            raise UserError(f"batch_size: got {batch_size}; expected at least 1")
        if max_length is not None and max_length < 3:
            raise UserError(f"max_length: got {max_length}; expected at least 3")
        path = embedded_model_path() if model == EMBEDDED else Path(model)
        self.folder = path if path.is_dir() else None
        if self.folder is None and not _is_hub_name(model):
            raise UserError(
                f"encoder: no folder {model!r}; give one, the owner/name of a model on the Hub, or {EMBEDDED!r}"
            )
        self.model = model
        self.revision = revision
        self.max_length = max_length
        self.batch_size = batch_size
        self.device = device
        self.bf16 = bf16

    @property
    def settings(self) -> EncoderSettings:
        """What its vectors depend on."""
        precision, name = "bfloat16" if self._in_bfloat16 else "float32", self.name
        files = self._files
        length = self.max_length or files.max_seq_length
        return EncoderSettings(name, length, files.pooling or MEAN, files.normalize, precision)

    @cached_property
    def _files(self) -> SentenceFiles:
        try:
            return read_sentence_files(self.model if self.folder is None else str(self.folder), self.commit)
        except UserError:
            # It has modules that this library does not know; sentence-transformers does.
            return SentenceFiles(pooling=OTHER)

    @property
    def commit(self) -> str | None:
        """Of a model on the Hub; ``None`` of a folder."""
        return self._commit if self.folder is None else None

    @cached_property
    def name(self) -> str:
        """The model with the commit, or for a folder with the checksum, of its files."""
        if self.folder is not None:
            return f"sha256:{folder_checksum(self.folder)}"
        return f"{self.model}@{self._commit}"

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        """Vectors [n, D] of n texts, float32."""
        network = self._network
        device = torch.device(network.device)
        with torch.autocast(device.type, torch.bfloat16, enabled=self._in_bfloat16):
            vectors: np.ndarray = network.encode(list(texts), batch_size=self.batch_size, show_progress_bar=False)
        return vectors.astype(np.float32, copy=False)

    @property
    def _in_bfloat16(self) -> bool:
        return computes_in_bfloat16(torch.device(self._device)) if self.bf16 is None else self.bf16

    @property
    def _device(self) -> str:
        return str(PartialState().device) if self.device is None else self.device

    @cached_property
    def _network(self) -> Any:
        network = self._load(self._commit if self.folder is None else None)
        if self.max_length is not None:
            limit = position_limit(network[0].auto_model)
            if limit is not None and self.max_length > limit:
                raise UserError(f"max_length: got {self.max_length}; the encoder has {limit} positions")
            network.max_seq_length = self.max_length
        return network

    @cached_property
    def _commit(self) -> str:
        """The commit in the cache of the Hub, so that no network is needed to find features that are stored."""
        found = self._cached_commit()
        if found is None:
            self._load(self.revision)
            found = self._cached_commit()
        if found is None:
            raise UserError(f"encoder: {self.model!r} is no model of sentence-transformers")
        return found

    def _cached_commit(self) -> str | None:
        for file in ("modules.json", "config.json"):
            path = huggingface_hub.try_to_load_from_cache(self.model, file, revision=self.revision)
            if isinstance(path, str):
                return Path(path).parent.name
        return None

    def _load(self, revision: str | None) -> Any:
        try:
            from sentence_transformers import SentenceTransformer
        except ImportError as error:
            raise UserError(
                "encoder: sentence-transformers is not installed; pip install 'textssl[features]' brings it"
            ) from error
        source = self.model if self.folder is None else str(self.folder)
        try:
            with quiet_load_report() as loading:
                network = SentenceTransformer(source, revision=revision, device=self._device)
                # The states of the tokens are pooled, not by the pooler.
                loading.encoder = getattr(network[0], "auto_model", None)
            return network
        except Exception as error:  # files, network and configuration have more kinds of failure than can be listed
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            raise UserError(f"encoder: {self.model!r} cannot be loaded ({reason[:200]})") from error


def _is_hub_name(model: str) -> bool:
    try:
        validate_repo_id(model)
    except HFValidationError:
        return False
    return "/" in model


def folder_checksum(folder: Path) -> str:
    """Of the names and contents of all files that a model is made of."""

    def counts(path: Path) -> bool:
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        return path.is_file() and not hidden and path.suffix not in NO_PART_OF_A_MODEL

    return sha256_of_all(folder, filter(counts, sorted(folder.rglob("*"))))

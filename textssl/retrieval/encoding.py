"""Embeddings of a bank: unit vectors in half precision, a folder for each shard, made by corpus jobs."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset

from ..errors import UserError
from ..features import Encoder, SentenceEncoder
from ..jobs import Shards, ShowProgress, open_shards, run_job
from ..jobs.outputs import as_numpy
from ..jobs.shards import open_finished
from .bank import Bank


__all__ = ["PRECISIONS", "EmbedJob", "Embeddings", "embed_bank", "embed_texts", "normalized", "open_embeddings"]

PRECISIONS = ("float16", "float32")
COLUMN = "embedding"


class EmbedJob:
    """A corpus job from texts to embeddings of norm 1, so that an inner product is a cosine.

    Half precision stores a cosine to within 0.001. Texts of one call go to the encoder longest first, so that a batch
    holds texts of like length.

    Args:
        encoder: what :class:`textssl.features.SentenceEncoder` takes as ``model`` (a folder, a name on the Hub, or
            ``"embedded"``), or any :class:`textssl.features.Encoder`, which must be picklable.
        column: of the texts.
        max_length: most tokens of a text, for a named model; its own limit by default.
        batch_size: texts per pass of a named model. Results do not depend on it but for rounding.
        precision: of the stored numbers, one of ``PRECISIONS``.

    Raises:
        UserError: no such model, a size out of range, an unknown precision, or an encoder without a name.
    """

    def __init__(
        self,
        encoder: str | os.PathLike[str] | Encoder = "embedded",
        *,
        column: str = "text",
        max_length: int | None = None,
        batch_size: int = 64,
        precision: str = "float16",
    ) -> None:
        if precision not in PRECISIONS:
            raise UserError(f"precision: got {precision!r}; allowed: {', '.join(PRECISIONS)}")
        if isinstance(encoder, str | os.PathLike):
            encoder = SentenceEncoder(os.fspath(encoder), max_length=max_length, batch_size=batch_size)
        elif max_length is not None:
            raise UserError(f"max_length: got {max_length}; it is for a named model, and the encoder is a callable")
        if not callable(encoder) or not isinstance(getattr(encoder, "name", None), str):
            raise UserError(
                f"encoder: got {type(encoder).__name__}; expected a model, or a callable with a string 'name'"
            )
        self.encoder: Encoder = encoder
        self.column = column
        self.max_length = max_length
        self.precision = precision
        # Now, so that no process of a job has to find it out again.
        self._name = f"embeddings of {encoder.name}, max_length {max_length}, {precision}"

    @property
    def name(self) -> str:
        """Encoder, its most tokens, and precision."""
        return self._name

    def __getstate__(self) -> dict[str, Any]:
        state = dict(vars(self))
        if isinstance(self.encoder, SentenceEncoder):
            # Another process loads the model by itself.
            state["encoder"] = SentenceEncoder(
                self.encoder.model if self.encoder.folder is None else str(self.encoder.folder),
                revision=self.encoder.revision,
                max_length=self.encoder.max_length,
                batch_size=self.encoder.batch_size,
                device=self.encoder.device,
            )
        return state

    def __call__(self, rows: dict[str, list[Any]]) -> dict[str, np.ndarray]:
        """``embedding`` ``[n, D]`` of n texts."""
        texts = rows[self.column]
        order = np.argsort([-len(text) for text in texts], kind="stable")
        sorted_vectors = np.asarray(self.encoder([texts[i] for i in order]), np.float32)
        if sorted_vectors.ndim != 2 or len(sorted_vectors) != len(texts):
            raise UserError(
                f"encoder: {self.encoder.name!r} gave shape {list(sorted_vectors.shape)} for {len(texts)} texts; "
                f"expected [{len(texts)}, D]"
            )
        vectors = np.empty_like(sorted_vectors)
        vectors[order] = normalized(sorted_vectors)
        return {COLUMN: vectors.astype(self.precision)}


class Embeddings:
    """The embeddings of all N sentences of a bank, mapped from the disk; of :func:`embed_bank`.

    Args:
        bank: whose they are.
        folder: that holds them.
        parts: those of each shard of the bank.

    Attributes:
        bank: whose they are.
        folder: that holds them.
        name: of the job that made them: encoder, most tokens, precision.
        size: D, numbers in an embedding.
    """

    def __init__(self, bank: Bank, folder: Path, parts: Sequence[Shards]) -> None:
        self.bank = bank
        self.folder = folder
        self.name = str(parts[0].facts["job"])
        firsts: list[int] = []
        self._blocks: list[np.ndarray] = []
        for first, part in zip(bank.first_rows.tolist(), parts, strict=False):
            for start, table in part.tables():
                firsts.append(first + start)
                self._blocks.append(as_numpy(table.column(COLUMN)))
        self._firsts = np.array(firsts)
        self.size = int(self._blocks[0].shape[1])

    def __len__(self) -> int:
        return len(self.bank)

    def blocks(self, shard: int | None = None) -> Iterator[tuple[int, np.ndarray]]:
        """Number of the first sentence and embeddings ``[n, D]`` as stored, block by block, of all or of one shard."""
        low, high = 0, len(self)
        if shard is not None:
            low, high = self.bank.first_rows[shard : shard + 2].tolist()
        for first, block in zip(self._firsts.tolist(), self._blocks, strict=True):
            if low <= first < high:
                yield first, block

    def take(self, rows: np.ndarray) -> np.ndarray:
        """Embeddings ``[n, D]`` in float32 of sentences by their numbers ``[n]``."""
        rows = np.asarray(rows, np.int64)
        vectors = np.empty((len(rows), self.size), np.float32)
        places = np.searchsorted(self._firsts, rows, side="right") - 1
        if len(rows) < 2 * len(self._blocks):
            # So few that nearly each has a block to itself: grouping them would take longer than copying them.
            for i, (number, row) in enumerate(
                zip(places.tolist(), (rows - self._firsts[places]).tolist(), strict=True)
            ):
                vectors[i] = self._blocks[number][row]
            return vectors
        order = np.argsort(places, kind="stable")
        numbers, starts = np.unique(places[order], return_index=True)
        for number, here in zip(numbers.tolist(), np.split(order, starts[1:]), strict=True):
            vectors[here] = self._blocks[number][rows[here] - self._firsts[number]]
        return vectors


def embed_bank(
    bank: Bank,
    folder: str | os.PathLike[str],
    job: EmbedJob,
    *,
    rows_per_shard: int = 4096,
    engine: str = "local",
    workers: int = 2,
    progress: bool | ShowProgress = True,
) -> Embeddings:
    """Embed all sentences of a bank. What is there already is checked and kept, whatever was added to the bank since.

    Args:
        bank: of N sentences.
        folder: of the embeddings, 2 D bytes a sentence; each shard of the bank has a folder in it.
        job: encoder and settings.
        rows_per_shard: sentences that a kill can lose.
        engine: as for :func:`textssl.jobs.run_job`.
        workers: as for :func:`textssl.jobs.run_job`.
        progress: as for :func:`textssl.jobs.run_job`.

    Raises:
        UserError: the folder has embeddings of another encoder; see also :func:`textssl.jobs.run_job`.
    """
    parts = []
    for number in range(len(bank.facts.shards)):
        shards = run_job(
            job,
            bank.shard(number),
            _part_folder(bank, Path(folder), number),
            columns=[job.column],
            rows_per_shard=rows_per_shard,
            engine=engine,
            workers=workers,
            data_checksum=bank.facts.shards[number].sha256,
            progress=progress,
            description=f"embed shard {number + 1} of {len(bank.facts.shards)}",
        )
        assert shards is not None, "one process makes all shards"
        parts.append(shards)
    return Embeddings(bank, Path(folder), parts)


def open_embeddings(bank: Bank, folder: str | os.PathLike[str], *, verify: bool = True) -> Embeddings:
    """Open what :func:`embed_bank` has finished.

    Args:
        bank: whose they are.
        folder: that holds them.
        verify: read them once and compare checksums.

    Raises:
        UserError: embeddings of some shards of the bank are missing, cut or changed, or of different encoders.
    """
    parts = []
    for number in range(len(bank.facts.shards)):
        part = _part_folder(bank, Path(folder), number)
        shards = None
        if (part / "job.json").is_file():
            shards = open_shards(part) if verify else open_finished(part, json.loads((part / "job.json").read_text()))
        if shards is None:
            raise UserError(
                f"embeddings: {str(folder)!r} lacks some of shard {number + 1} of the bank {bank.name}; embed it first"
            )
        parts.append(shards)
    if len(names := sorted({str(part.facts["job"]) for part in parts})) > 1:
        raise UserError(f"embeddings: {str(folder)!r} has embeddings of different encoders: {' and '.join(names)}")
    return Embeddings(bank, Path(folder), parts)


def embed_texts(
    texts: Sequence[str],
    folder: str | os.PathLike[str],
    job: EmbedJob,
    *,
    engine: str = "local",
    workers: int = 2,
    progress: bool | ShowProgress = True,
    description: str = "embed texts",
) -> np.ndarray:
    """Embed texts that are in no bank: queries, or sentences of evaluation sets.

    Args:
        texts: n > 0 texts.
        folder: of the results, for :func:`textssl.jobs.run_job`.
        job: encoder and settings.
        engine: as for :func:`textssl.jobs.run_job`.
        workers: as for :func:`textssl.jobs.run_job`.
        progress: as for :func:`textssl.jobs.run_job`.
        description: of the progress bar.

    Returns:
        ``[n, D]`` float32, of norm 1.
    """
    shards = run_job(
        job,
        Dataset.from_dict({job.column: list(texts)}),
        folder,
        columns=[job.column],
        engine=engine,
        workers=workers,
        progress=progress,
        description=description,
    )
    assert shards is not None, "one process makes all shards"
    return shards.column(COLUMN).astype(np.float32)


def normalized(vectors: np.ndarray) -> np.ndarray:
    """Vectors of norm 1; a vector of zeros stays as it is, and has no neighbour."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(norms, np.finfo(np.float32).tiny))


def _part_folder(bank: Bank, folder: Path, number: int) -> Path:
    return folder / f"{number:06d}-{bank.facts.shards[number].sha256[:16]}"

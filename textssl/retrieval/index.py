"""Approximate nearest neighbours among the sentences of a bank, with FAISS: a file for each shard of the bank.

All parts share one trained quantiser, so that a part is built alone, a bank that grows costs its new part only, and
a search over parts finds what a search over one index would. ``index.json`` says what the index is of.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import UserError
from .encoding import Embeddings
from .recorded import check_recorded, read_facts, write_facts


__all__ = [
    "Index",
    "IndexFacts",
    "IndexFile",
    "check_file",
    "check_searching",
    "load_faiss",
    "open_index",
]

FACTS = "index.json"
FORMAT = 1


@dataclass(frozen=True)
class IndexFile:
    """A file of the index: name, bytes and SHA-256."""

    file: str
    size: int
    sha256: str


@dataclass
class IndexFacts:
    """The content of ``index.json``.

    Attributes:
        kind: ``"flat"``, ``"ivf"``, ``"pq"`` or ``"hnsw"``.
        nlist: lists that sentences are sorted into; 0 for an index without any.
        nprobe: lists that are looked into for a query; of a graph, sentences that a walk keeps in view.
        rerank: candidates for each neighbour that are compared by their embeddings; 0 for none.
        seed: of the sample that the quantiser was trained on.
        encoder: name of the embeddings.
        bank: fingerprint of the bank.
        shards: SHA-256 of the bank's shards that it has, in order.
        trained: the quantiser without a sentence in it; ``None`` for a flat index.
        parts: a file for each of ``shards``; none for a flat index.
        merged: the merged index and its lists, where the parts were merged.
    """

    kind: str
    nlist: int
    nprobe: int
    rerank: int
    seed: int
    encoder: str
    bank: str
    version: int = FORMAT
    shards: list[str] = field(default_factory=list)
    trained: IndexFile | None = None
    parts: list[IndexFile] = field(default_factory=list)
    merged: list[IndexFile] = field(default_factory=list)

    def write(self, folder: Path) -> None:
        """Replace ``index.json`` in one step."""
        write_facts(self, folder / FACTS)

    @staticmethod
    def read(folder: Path) -> IndexFacts:
        """Read ``index.json``.

        Raises:
            UserError: there is none, or it is none that this version wrote.
        """
        return read_facts(folder / FACTS, FORMAT, IndexFacts._of, "index", "index")

    @staticmethod
    def _of(values: dict[str, Any]) -> IndexFacts:
        values["trained"] = values["trained"] and IndexFile(**values["trained"])
        for files in ("parts", "merged"):
            values[files] = [IndexFile(**file) for file in values[files]]
        return IndexFacts(**values)


class Index:
    """An index opened for searching; of :func:`open_index`.

    Args:
        folder: of the index.
        facts: what ``index.json`` says.
        embeddings: that it is of; a flat index has nothing else.
        parts: FAISS indexes of parts, whose ids are row numbers of the bank.
    """

    def __init__(self, folder: Path, facts: IndexFacts, embeddings: Embeddings, parts: list[Any]) -> None:
        self.folder = folder
        self.facts = facts
        self.embeddings = embeddings
        self.parts = parts

    @property
    def name(self) -> str:
        """What a search depends on: kind and settings, encoder and bank."""
        facts = self.facts
        settings = f"{facts.kind} nlist {facts.nlist} nprobe {facts.nprobe} rerank {facts.rerank} seed {facts.seed}"
        return f"{settings} of {facts.encoder} in bank {facts.bank[:32]}"

    def candidates(self, queries: np.ndarray, count: int, nprobe: int) -> tuple[np.ndarray, np.ndarray]:
        """The best sentences of the ``nprobe`` lists nearest to each query, or of the graph.

        Args:
            queries: ``[Q, D]`` float32.
            count: K, how many.
            nprobe: of ``nlist``, or of the walk.

        Returns:
            Scores and row numbers ``[Q, K]``, best first. Where fewer than K sentences were found the rest is -1, with
            a score of minus infinity.
        """
        look = self._walked if self.facts.kind == "hnsw" else self._looked_up
        found = look(queries, count, nprobe)
        scores = np.concatenate([scores for scores, _ in found], axis=1)
        rows = np.concatenate([rows for _, rows in found], axis=1)
        scores[rows < 0] = -np.inf
        if len(found) == 1:
            return scores, rows
        best = np.argsort(-scores, axis=1, kind="stable")[:, :count]
        return np.take_along_axis(scores, best, 1), np.take_along_axis(rows, best, 1)

    def _looked_up(self, queries: np.ndarray, count: int, nprobe: int) -> list[tuple[np.ndarray, np.ndarray]]:
        distances, lists = self.parts[0].quantizer.search(queries, nprobe)
        found = []
        for part in self.parts:
            # On every IVF index, those on a processor too: search_preassigned reads lists as far as nprobe of it.
            part.nprobe = nprobe
            found.append(part.search_preassigned(queries, count, lists, distances))
        return found

    def _walked(self, queries: np.ndarray, count: int, nprobe: int) -> list[tuple[np.ndarray, np.ndarray]]:
        faiss, found = load_faiss(), []
        for part in self.parts:
            faiss.downcast_index(part.index).hnsw.efSearch = max(nprobe, count)
            found.append(part.search(queries, count))
        return found


def open_index(
    folder: str | os.PathLike[str],
    embeddings: Embeddings,
    *,
    nprobe: int | None = None,
    rerank: int | None = None,
    memory_map: bool = False,
) -> Index:
    """Open an index.

    Args:
        folder: that :func:`build_index` wrote.
        embeddings: of the bank that it is an index of.
        nprobe: instead of the one in ``index.json``.
        rerank: instead of the one in ``index.json``.
        memory_map: leave the lists of an ``"ivf"`` index on the disk, for one larger than memory; checksums are not
            compared then, only sizes.

    Raises:
        UserError: no index; one of another encoder or another bank; a file that is missing, cut or changed.
    """
    folder = Path(folder)
    facts = IndexFacts.read(folder)
    if facts.encoder != embeddings.name:
        raise UserError(f"index: {str(folder)!r} is of {facts.encoder!r}, and the embeddings are {embeddings.name!r}")
    if facts.bank != embeddings.bank.fingerprint:
        raise UserError(
            f"index: {str(folder)!r} is of the bank {facts.bank[:12]}, and this is the bank {embeddings.bank.name}; "
            "if sentences were added, build the index again: only their part is built"
        )
    shards = embeddings.bank.facts.shards
    if len(facts.shards) < len(shards):
        raise UserError(f"index: {str(folder)!r} has {len(facts.shards)} of {len(shards)} parts; build it again")
    facts.nprobe = facts.nprobe if nprobe is None else nprobe
    facts.rerank = facts.rerank if rerank is None else rerank
    check_searching(facts)
    if facts.kind == "flat":
        return Index(folder, facts, embeddings, [])
    faiss = load_faiss()
    if facts.merged:
        for file in facts.merged:
            check_file(folder, file, verify=False)
        # Not IO_FLAG_MMAP, which kills the process at the first search of a merged index.
        path = str(folder / facts.merged[0].file)
        return Index(folder, facts, embeddings, [faiss.read_index(path, faiss.IO_FLAG_ONDISK_SAME_DIR)])
    for file in facts.parts:
        check_file(folder, file, verify=not memory_map)
    flags = faiss.IO_FLAG_MMAP if memory_map else 0
    return Index(folder, facts, embeddings, [faiss.read_index(str(folder / part.file), flags) for part in facts.parts])


def check_file(folder: Path, file: IndexFile, verify: bool) -> None:
    """Raise UserError for a file that is missing, cut or, where ``verify`` is set, changed."""
    check_recorded("index: the file", folder / file.file, file.size, file.sha256, FACTS, verify)


def check_searching(facts: IndexFacts) -> None:
    """Raise UserError for settings of a search that are out of range."""
    if facts.kind in ("ivf", "pq") and not 1 <= facts.nprobe <= facts.nlist:
        raise UserError(f"nprobe: got {facts.nprobe}; expected a number from 1 to {facts.nlist}, the lists")
    if facts.kind == "hnsw" and facts.nprobe < 1:
        raise UserError(f"nprobe: got {facts.nprobe}; expected at least 1")
    least = 1 if facts.kind == "pq" else 0
    if facts.rerank < least:
        raise UserError(f"rerank: got {facts.rerank}; expected at least {least} for an index of kind {facts.kind!r}")


def load_faiss() -> Any:
    """The module.

    Raises:
        UserError: it is not installed.
    """
    try:
        import faiss
    except ImportError as error:
        raise UserError("index: FAISS is not installed; pip install 'textssl[retrieval]' brings it") from error
    return faiss

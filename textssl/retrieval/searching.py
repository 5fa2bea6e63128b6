"""Queries of a task, and the sentences of a bank that are nearest to them.

SentAugment (Du et al., 2021, arXiv:2010.02194, section 3) asks with the average of the embeddings of a class (its
best), with that of all examples, or with each example by itself.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from datasets import Dataset

from ..errors import UserError
from ..jobs import ShowProgress, run_job
from .bank import check_k, open_bank
from .encoding import Embeddings, normalized, open_embeddings
from .index import Index, open_index


__all__ = ["QUERIES", "Queries", "SearchJob", "find_neighbours", "label_queries", "search"]

QUERIES = ("label_average", "all_average", "per_sentence")
# With fewer candidates in its lists than so many for each neighbour, a search looks into more lists.
CANDIDATES_PER_NEIGHBOUR = 8
# Candidates whose embeddings are compared at a time: 100 MB of 384 numbers.
RERANK_ROWS = 1 << 16


@dataclass(frozen=True)
class Queries:
    """What a bank is asked for.

    Args:
        vectors: ``[Q, D]`` float32 of norm 1.
        labels: ``[Q]`` class that a query stands for; -1 for all of them.
    """

    vectors: np.ndarray
    labels: np.ndarray


def label_queries(
    embeddings: np.ndarray,
    labels: Sequence[int] | np.ndarray,
    label_names: Sequence[str],
    kind: str = "label_average",
) -> Queries:
    """Make queries of the embeddings of labeled examples.

    Args:
        embeddings: ``[n, D]``; each is brought to norm 1 before it is averaged.
        labels: ``[n]`` classes, 0 to C - 1.
        label_names: C names.
        kind: one of ``QUERIES``: a query for each class, the default; one; or n.

    Returns:
        Q = C, 1 or n queries, each of norm 1.

    Raises:
        UserError: an unknown kind, labels out of range, a class without an example; a class whose average is zero.

    >>> embeddings = np.array([[3.0, 0.0], [0.0, 2.0], [1.0, 0.0]])
    >>> label_queries(embeddings, [0, 0, 1], ["no", "yes"]).vectors.tolist()
    [[0.7071067690849304, 0.7071067690849304], [1.0, 0.0]]
    """
    if kind not in QUERIES:
        raise UserError(f"queries: got {kind!r}; allowed: {', '.join(QUERIES)}")
    labels = np.asarray(labels, np.int64)
    vectors = normalized(np.asarray(embeddings, np.float32))
    if vectors.ndim != 2 or labels.shape != (len(vectors),) or not len(labels):
        raise UserError(f"labels: got shape {list(labels.shape)} for embeddings {list(vectors.shape)}; expected [n]")
    if labels.min() < 0 or labels.max() >= len(label_names):
        raise UserError(f"labels: got {labels.min()} to {labels.max()}; expected 0 to {len(label_names) - 1}")
    counts = np.bincount(labels, minlength=len(label_names))
    if not counts.all():
        raise UserError(f"labels: the class {label_names[int(counts.argmin())]!r} has no labeled example")
    if kind == "per_sentence":
        return Queries(vectors, labels)
    if kind == "all_average":
        return Queries(_average([vectors]), np.array([-1]))
    return Queries(_average([vectors[labels == c] for c in range(len(label_names))]), np.arange(len(label_names)))


def search(
    index: Index, queries: np.ndarray, k: int, *, exact: bool = False, batch_size: int = 256
) -> tuple[np.ndarray, np.ndarray]:
    """The k sentences with the largest inner product with each query.

    A search through an index looks into ``nprobe`` lists, and into more where these have fewer than 8 candidates for
    each neighbour, as they may for a large k. A score is the inner product with the embedding if ``exact`` or
    re-ranked, else with its 8-bit form.

    Args:
        index: of N sentences.
        queries: ``[Q, D]``, of norm 1 for cosines.
        k: neighbours, at most N.
        exact: scan all embeddings, whatever the index is.
        batch_size: queries at a time.

    Returns:
        Scores float32 and row numbers int64, ``[Q, k]``, best first; each row is a sentence of the bank.

    Raises:
        UserError: k above N or below 1; queries of another size than the embeddings.
    """
    check_k(k, index.embeddings.bank)
    queries = np.ascontiguousarray(queries, np.float32)
    if queries.ndim != 2 or queries.shape[1] != index.embeddings.size or not len(queries):
        raise UserError(f"queries: got shape {list(queries.shape)}; expected [Q, {index.embeddings.size}]")
    if batch_size < 1:
        raise UserError(f"batch_size: got {batch_size}; expected at least 1")
    found = []
    for start in range(0, len(queries), batch_size):
        part = queries[start : start + batch_size]
        if exact or index.facts.kind == "flat":
            found.append(_scanned(index.embeddings, part, k))
        else:
            found.append(_approximate(index, part, k))
    return np.concatenate([scores for scores, _ in found]), np.concatenate([rows for _, rows in found])


class SearchJob:
    """A corpus job from queries to neighbours, for more queries than one process answers in good time.

    Args:
        bank: folder of the bank.
        embeddings: folder of its embeddings.
        index: folder of the index.
        k: neighbours of a query.
        name: of the index, on which the results depend.
        exact: scan all embeddings.
        nprobe: see :func:`textssl.retrieval.open_index`.
        rerank: see :func:`textssl.retrieval.open_index`.
    """

    def __init__(
        self,
        bank: str | os.PathLike[str],
        embeddings: str | os.PathLike[str],
        index: str | os.PathLike[str],
        k: int,
        *,
        name: str,
        exact: bool = False,
        nprobe: int | None = None,
        rerank: int | None = None,
    ) -> None:
        self.folders = tuple(os.fspath(folder) for folder in (bank, embeddings, index))
        self.k = k
        self.exact = exact
        self.nprobe = nprobe
        self.rerank = rerank
        self.name = f"{k} neighbours, {'exact, ' if exact else ''}{name}"
        self._index: Index | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_index": None}

    def __call__(self, rows: dict[str, list[Any]]) -> dict[str, np.ndarray]:
        """``score`` and ``row`` ``[n, k]`` of the ``vector`` of n queries."""
        if self._index is None:
            bank, embeddings, index = self.folders
            opened = open_embeddings(open_bank(bank), embeddings, verify=False)
            self._index = open_index(index, opened, nprobe=self.nprobe, rerank=self.rerank)
        vectors = np.array(rows["vector"], np.float32)
        scores, numbers = search(self._index, vectors, self.k, exact=self.exact)
        return {"score": scores, "row": numbers}


def find_neighbours(
    job: SearchJob,
    queries: Queries,
    folder: str | os.PathLike[str],
    *,
    engine: str = "local",
    workers: int = 2,
    progress: bool | ShowProgress = True,
) -> tuple[np.ndarray, np.ndarray]:
    """Search for all queries by a corpus job.

    Args:
        job: bank, index and settings.
        queries: Q of them.
        folder: of the results, for :func:`textssl.jobs.run_job`.
        engine: as for :func:`textssl.jobs.run_job`.
        workers: as for :func:`textssl.jobs.run_job`.
        progress: as for :func:`textssl.jobs.run_job`.

    Returns:
        Scores and row numbers ``[Q, k]``, best first.
    """
    shards = run_job(
        job,
        Dataset.from_dict({"vector": list(queries.vectors)}),
        folder,
        columns=["vector"],
        rows_per_shard=256,
        engine=engine,
        workers=workers,
        progress=progress,
        description="search",
    )
    assert shards is not None, "one process makes all shards"
    return shards.column("score"), shards.column("row")


def _average(groups: Sequence[np.ndarray]) -> np.ndarray:
    means = np.stack([group.mean(0, dtype=np.float64) for group in groups])
    if not np.linalg.norm(means, axis=1).all():
        raise UserError("queries: the embeddings of the labeled examples cancel out; ask with 'per_sentence'")
    return normalized(means).astype(np.float32)


def _scanned(embeddings: Embeddings, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Exact neighbours: the best k so far are carried from block to block."""
    query_tensor = torch.from_numpy(queries)
    scores = torch.empty(len(queries), 0)
    rows = torch.empty(len(queries), 0, dtype=torch.int64)
    for first, block in embeddings.blocks():
        # Of torch, which finds the best of a row in a third of the time that numpy takes.
        new = torch.topk(query_tensor @ torch.from_numpy(block.astype(np.float32)).T, min(k, len(block)), sorted=False)
        scores = torch.cat([scores, new.values], 1)
        rows = torch.cat([rows, new.indices + first], 1)
        if scores.shape[1] > k:
            scores, best = torch.topk(scores, k)
            rows = rows.gather(1, best)
    scores, order = torch.sort(scores, descending=True, stable=True)
    return scores.numpy(), rows.gather(1, order).numpy()


def _approximate(index: Index, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    facts, count = index.facts, len(index.embeddings)
    wanted = min(count, k * max(1, facts.rerank))
    most = facts.nlist or count
    least = -(-facts.nlist * CANDIDATES_PER_NEIGHBOUR * wanted // count)
    nprobe = min(most, max(facts.nprobe, least))
    scores, rows = index.candidates(queries, wanted, nprobe)
    # Lists are not equally long, and a walk may end early: FAISS fills up with -1, which is no sentence.
    while (short := (rows < 0).any(1)).any() and nprobe < most:
        nprobe = min(most, 2 * nprobe)
        scores[short], rows[short] = index.candidates(queries[short], wanted, nprobe)
    if short.any():
        # Of a graph some sentences may be out of reach.
        scores[short], rows[short] = _scanned(index.embeddings, queries[short], wanted)
    if facts.rerank:
        scores, rows = _reranked(index.embeddings, queries, rows)
    return scores[:, :k], rows[:, :k]


def _reranked(embeddings: Embeddings, queries: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    scores = np.empty(rows.shape, np.float32)
    together = max(1, RERANK_ROWS // rows.shape[1])
    for start in range(0, len(queries), together):
        part = slice(start, start + together)
        vectors = embeddings.take(rows[part].reshape(-1)).reshape(*rows[part].shape, -1)
        scores[part] = np.matmul(vectors, queries[part, :, None])[..., 0]
    order = np.argsort(-scores, axis=1, kind="stable")
    return np.take_along_axis(scores, order, 1), np.take_along_axis(rows, order, 1)

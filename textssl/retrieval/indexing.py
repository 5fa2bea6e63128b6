"""Building an index of a bank, part by part, whole after a kill at any moment."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import UserError
from ..files import atomic_path, sha256_of
from ..jobs import ShowProgress, counted
from .encoding import Embeddings
from .index import FACTS, Index, IndexFacts, IndexFile, check_file, check_searching, load_faiss, open_index


__all__ = ["INDEX_KINDS", "build_index", "merge_index"]

INDEX_KINDS = ("auto", "flat", "ivf", "pq", "hnsw")
# A scan of so many embeddings takes tens of milliseconds, and nothing has to be built for it.
FLAT_SENTENCES = 50_000
# Sentences that k-means sees for each of its centres; FAISS warns below 39.
TRAIN_PER_LIST = 64
# Neighbours in a high dimension are spread over many lists.
LEAST_NPROBE = 128
# Of a graph: neighbours that each sentence is joined to, those that are tried for it, and those of a search.
LINKS, TRIED, WALKED = 32, 80, 128
# A product quantiser of 4 bits tells 16 values apart in each of its parts.
PQ_SENTENCES = 16
# Candidates for each neighbour that a product quantiser's order is not trusted with.
PQ_RERANK = 4


def build_index(
    embeddings: Embeddings,
    folder: str | os.PathLike[str],
    *,
    kind: str = "auto",
    nlist: int | None = None,
    nprobe: int | None = None,
    rerank: int | None = None,
    train_sentences: int | None = None,
    seed: int = 0,
    progress: bool | ShowProgress = True,
) -> Index:
    """Build an index, or the parts of it that are missing, and open it.

    Sentences are sorted into ``nlist`` lists around the centres of k-means (an inverted file), and stored in 8 bits a
    number (D bytes a sentence, ``"ivf"``) or by product quantisation in 4 bits for two numbers (D / 4 bytes, ``"pq"``;
    Jegou et al., 2011; Andre et al., 2015), which is several times faster, finds the right sentences in the wrong
    order, and is therefore re-ranked by the embeddings; its lists stay in memory. ``"hnsw"`` is a graph of neighbours
    that a search walks over (Malkov and Yashunin, 2020, arXiv:1603.09320) in 8 bits a number: two and a half times as
    fast for single queries at the same recall, for D + 272 bytes a sentence and a longer build. A flat index is a scan
    of the embeddings and builds nothing.

    Args:
        embeddings: of a bank of N sentences.
        folder: of the index; made where it is missing.
        kind: one of ``INDEX_KINDS``; ``"auto"`` is flat up to 50,000 sentences, and else ``"ivf"``.
        nlist: the power of two next to 4 sqrt(N) by default; N at most.
        nprobe: lists that a search looks into; more find more, and take longer. By default ``nlist`` / 10, 128 at
            least, which found 95 of 100 of the ten nearest among sentences of film reviews. Of ``"hnsw"``, sentences
            that a walk keeps in view (efSearch), 128 by default. It may be another each time an index is built or
            opened.
        rerank: compare so many candidates for each neighbour by their embeddings: 4 by default for ``"pq"``, and else
            0, for none.
        train_sentences: that the centres are found from, 64 ``nlist`` by default.
        seed: of their draw.
        progress: as for :func:`textssl.jobs.run_job`.

    Raises:
        UserError: settings out of range or other than those of an index that is there; an index of another encoder or
            another bank; a file that was cut or changed; FAISS is not installed.
    """
    folder = Path(folder)
    facts = _settings(embeddings, kind, nlist, nprobe, rerank, seed)
    if (folder / FACTS).exists():
        facts = _continued(folder, kind, facts, embeddings, {"nlist": nlist, "nprobe": nprobe, "rerank": rerank})
    if facts.kind != "flat":
        _train(folder, facts, embeddings, train_sentences or TRAIN_PER_LIST * (facts.nlist or LINKS))
        _add_parts(folder, facts, embeddings, progress)
    facts.bank = embeddings.bank.fingerprint
    facts.shards = [shard.sha256 for shard in embeddings.bank.facts.shards]
    facts.write(folder)
    return open_index(folder, embeddings)


def merge_index(index: Index) -> Index:
    """Merge the parts into one file of lists that stays on the disk, for a bank of many shards, and open that.

    Opening the folder takes the merged index from then on; building again, after the bank has grown, goes back to
    parts.

    Args:
        index: of kind ``"ivf"``.

    Raises:
        UserError: an index of another kind.
    """
    folder, facts = index.folder, IndexFacts.read(index.folder)
    if facts.trained is None or facts.kind != "ivf":
        raise UserError(f"index: {str(folder)!r} is of kind {facts.kind!r}; only lists of 'ivf' can stay on the disk")
    from faiss.contrib.ondisk import merge_ondisk

    faiss = load_faiss()
    whole = faiss.read_index(str(folder / facts.trained.file))
    lists = folder / "merged.ivfdata"
    with atomic_path(lists) as temporary:
        merge_ondisk(whole, [str(folder / part.file) for part in facts.parts], str(temporary))
        faiss.downcast_InvertedLists(whole.invlists).filename = str(lists)
    facts.merged = [_written(folder, "merged.faiss", whole), IndexFile(lists.name, lists.stat().st_size, "")]
    facts.write(folder)
    return open_index(folder, index.embeddings)


def _settings(
    embeddings: Embeddings, kind: str, nlist: int | None, nprobe: int | None, rerank: int | None, seed: int
) -> IndexFacts:
    if kind not in INDEX_KINDS:
        raise UserError(f"kind: got {kind!r}; allowed: {', '.join(INDEX_KINDS)}")
    count = len(embeddings)
    if kind == "auto":
        kind = "flat" if count <= FLAT_SENTENCES else "ivf"
    if kind == "pq" and embeddings.size % 2:
        raise UserError(f"kind: got 'pq', for embeddings of {embeddings.size} numbers; expected an even number")
    if kind == "pq" and count < PQ_SENTENCES:
        raise UserError(f"kind: got 'pq', for {count} sentences; expected at least {PQ_SENTENCES}")
    if kind == "flat":
        nlist = nprobe = 0
    elif kind == "hnsw":
        if nlist:
            raise UserError(f"nlist: got {nlist}; a graph, kind 'hnsw', has no lists")
        nlist, nprobe = 0, nprobe or WALKED
    else:
        nlist = nlist or min(count, 1 << round(math.log2(4 * math.sqrt(count))))
        if not 1 <= nlist <= count:
            raise UserError(f"nlist: got {nlist}; expected a number from 1 to {count}, the sentences")
        nprobe = nprobe or min(nlist, max(LEAST_NPROBE, nlist // 10))
    rerank = (PQ_RERANK if kind == "pq" else 0) if rerank is None else rerank
    facts = IndexFacts(kind, nlist, nprobe, rerank, seed, embeddings.name, embeddings.bank.fingerprint)
    check_searching(facts)
    return facts


def _continued(
    folder: Path, kind: str, new: IndexFacts, embeddings: Embeddings, given: Mapping[str, int | None]
) -> IndexFacts:
    """What is there, if it is the beginning of what is wanted. The number of lists stays when a bank grows."""
    old = IndexFacts.read(folder)
    if old.encoder != new.encoder:
        raise UserError(f"index: {str(folder)!r} is of {old.encoder!r}, and the embeddings are {new.encoder!r}")
    shards = [shard.sha256 for shard in embeddings.bank.facts.shards]
    if old.shards != shards[: len(old.shards)] or (not old.shards and old.bank != new.bank):
        raise UserError(f"index: {str(folder)!r} is of the bank {old.bank[:12]}, and this is {embeddings.bank.name}")
    if old.kind == "flat" and new.kind != "flat":
        return new
    wanted = {"kind": None if kind == "auto" else kind, "nlist": given["nlist"], "seed": new.seed}
    for name, value in wanted.items():
        if value is not None and value != getattr(old, name):
            raise UserError(
                f"{name}: got {value!r}, and the index {str(folder)!r} was built with {getattr(old, name)!r}"
            )
    old.nprobe = given["nprobe"] or old.nprobe
    old.rerank = old.rerank if given["rerank"] is None else given["rerank"]
    check_searching(old)
    return old


def _train(folder: Path, facts: IndexFacts, embeddings: Embeddings, sentences: int) -> None:
    if facts.trained is not None:
        check_file(folder, facts.trained, verify=True)
        return
    if sentences < facts.nlist:
        raise UserError(f"train_sentences: got {sentences}; expected at least nlist, which is {facts.nlist}")
    index = _empty(facts, embeddings.size)
    rng = np.random.default_rng([facts.seed, 0])
    rows = np.sort(rng.choice(len(embeddings), min(len(embeddings), sentences), replace=False))
    index.train(embeddings.take(rows))
    facts.trained = _written(folder, "trained.faiss", index)
    facts.write(folder)


def _empty(facts: IndexFacts, size: int) -> Any:
    """An index that is not trained yet."""
    faiss = load_faiss()
    if facts.kind == "hnsw":
        graph = faiss.index_factory(size, f"HNSW{LINKS}_SQ8", faiss.METRIC_INNER_PRODUCT)
        graph.hnsw.efConstruction = TRIED
        whole = faiss.IndexIDMap(graph)
        # The map holds the graph but does not keep it alive.
        whole.own_fields = True
        graph.this.disown()
        return whole
    storage = "SQ8" if facts.kind == "ivf" else f"PQ{size // 2}x4fs"
    index = faiss.index_factory(size, f"IVF{facts.nlist},{storage}", faiss.METRIC_INNER_PRODUCT)
    # A small bank is trained on whole, and needs no warning of it.
    index.cp.min_points_per_centroid = 1
    if facts.kind == "pq":
        index.pq.cp.min_points_per_centroid = 1
    return index


def _add_parts(folder: Path, facts: IndexFacts, embeddings: Embeddings, progress: bool | ShowProgress) -> None:
    """Build the parts that are missing; none of the others is touched."""
    assert facts.trained is not None, "training comes first"
    faiss = load_faiss()
    shards = embeddings.bank.facts.shards
    initial = int(embeddings.bank.first_rows[len(facts.shards)])
    with counted(progress, len(embeddings), initial, "index") as bar:
        for number in range(len(facts.shards), len(shards)):
            part = faiss.read_index(str(folder / facts.trained.file))
            for first, block in embeddings.blocks(number):
                part.add_with_ids(block.astype(np.float32), np.arange(first, first + len(block)))
                bar.advance(len(block))
            facts.parts.append(_written(folder, f"part-{number:05d}.faiss", part))
            facts.shards.append(shards[number].sha256)
            facts.merged = []
            facts.write(folder)


def _written(folder: Path, name: str, index: Any) -> IndexFile:
    path = folder / name
    folder.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        load_faiss().write_index(index, str(temporary))
    return IndexFile(name, path.stat().st_size, sha256_of(path))

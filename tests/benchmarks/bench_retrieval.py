"""CPU time of a retrieval's stages over sentences of film reviews: embedding, index, search.

Run with ``OMP_NUM_THREADS=1 python tests/benchmarks/bench_retrieval.py --folder FOLDER``. It needs the packages of
``textssl[test]``. The first run embeds 250,000 sentences, half an hour on one core; a killed one goes on. Queries are
sentences of reviews that are not in the bank. Rivals take turns within each round, so a busy machine slows all of
them; medians over the rounds are compared.
"""

from __future__ import annotations

import argparse
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import faiss
import numpy as np
import torch
from datasets import Dataset
from sentence_transformers import SentenceTransformer

from textssl.augment.text.sentences import cut
from textssl.features import encoders
from textssl.jobs import run_job
from textssl.models import embedded_model_path
from textssl.retrieval import (
    Bank,
    Embeddings,
    EmbedJob,
    build_bank,
    build_index,
    embed_bank,
    embed_texts,
    open_index,
    search,
)
from textssl.sources.named import load_source


MAX_LENGTH = 64
NEIGHBOURS = 10
NPROBE = (64, 128, 192, 256)


def spent(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def race(rivals: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Median CPU seconds of each rival."""
    seconds: dict[str, list[float]] = {name: [] for name in rivals}
    for _ in range(rounds):
        for name, work in rivals.items():
            seconds[name].append(spent(work))
    return {name: median(values) for name, values in seconds.items()}


def bench_embedding(bank: Bank, folder: Path, count: int, rounds: int) -> None:
    """The corpus job, checksums and files included, against ``encode`` of the same texts in one call."""
    texts = bank.texts(np.random.default_rng(0).choice(len(bank), count, replace=False))
    rows = Dataset.from_dict({"text": texts})
    bare = SentenceTransformer(str(embedded_model_path()), device="cpu")
    bare.max_seq_length = MAX_LENGTH
    job = EmbedJob("embedded", max_length=MAX_LENGTH)

    def encode(half: bool) -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            bare.encode(texts, batch_size=64, show_progress_bar=False)

    def ours() -> None:
        shutil.rmtree(folder, ignore_errors=True)
        run_job(job, rows, folder, columns=["text"], progress=False)

    ours()
    half = encoders.computes_in_bfloat16(torch.device("cpu"))
    rates = race({"bare": lambda: encode(False), "bare, bfloat16": lambda: encode(half), "job": ours}, rounds)
    print(f"\nEmbedding {count:,} sentences, sentences per CPU second")
    for name, seconds in rates.items():
        print(f"  {name:<24}{count / seconds:10,.1f}")
    plain, in_half = (rates[name] / rates["job"] for name in ("bare", "bare, bfloat16"))
    print(f"  job / bare {plain:.2f}, job / bare in bfloat16 {in_half:.2f}")


def exact_index(embeddings: Embeddings) -> Any:
    index = faiss.IndexFlatIP(embeddings.size)
    for _, block in embeddings.blocks():
        index.add(block.astype(np.float32))
    return index


def bench_search(kind: str, embeddings: Embeddings, folder: Path, queries: np.ndarray, rounds: int) -> None:
    """Recall and speed against faiss's own exact index, all queries in one call and one by one."""
    exact = exact_index(embeddings)
    seconds = spent(lambda: build_index(embeddings, folder, kind=kind, progress=False))
    size = sum(path.stat().st_size for path in folder.glob("part-*.faiss")) / len(embeddings)
    facts = open_index(folder, embeddings).facts
    print(f"\nIndex {kind!r} of {len(embeddings):,}: {seconds:.0f} CPU s, {size:.0f} bytes a sentence")
    print(f"  nlist {facts.nlist}, nprobe {facts.nprobe}, rerank {facts.rerank}")
    right = exact.search(queries, NEIGHBOURS)[1]
    few = queries[: len(queries) // 10]
    scan = spent(lambda: search(open_index(folder, embeddings), queries, NEIGHBOURS, exact=True))
    print(f"  our exact scan, one call: {len(queries) / scan:,.0f} queries/s")
    print("  nprobe  rerank  recall@10   one call: q/s  x exact   one by one: q/s  x exact")
    reranks = (0, 4) if kind == "ivf" else (4, 8)
    for nprobe, rerank in [*((p, r) for p in NPROBE for r in reranks), (facts.nprobe, facts.rerank)]:
        index = open_index(folder, embeddings, nprobe=min(nprobe, facts.nlist), rerank=rerank)
        found = search(index, queries, NEIGHBOURS)[1]
        recall = np.mean([len({*a} & {*b}) / NEIGHBOURS for a, b in zip(found.tolist(), right.tolist(), strict=True)])
        times = race(
            {
                "exact": lambda: exact.search(queries, NEIGHBOURS),
                "ours": lambda index=index: search(index, queries, NEIGHBOURS),
                "exact one": lambda: [exact.search(few[i : i + 1], NEIGHBOURS) for i in range(len(few))],
                "ours one": lambda index=index: [search(index, few[i : i + 1], NEIGHBOURS) for i in range(len(few))],
            },
            rounds,
        )
        print(
            f"  {nprobe:6}{rerank:8}{recall:11.4f}{len(queries) / times['ours']:16,.0f}"
            f"{times['exact'] / times['ours']:9.1f}{len(few) / times['ours one']:18,.0f}"
            f"{times['exact one'] / times['ours one']:9.1f}"
        )


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="of the bank and all that is made of it")
    parser.add_argument("--reviews", type=int, default=None, help="of IMDb in the bank, all by default")
    parser.add_argument("--queries", type=int, default=1000, help="held-out sentences")
    parser.add_argument("--texts", type=int, default=4096, help="sentences to embed for the first table; 0 for none")
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    imdb, snippets = (load_source(name, "embedded") for name in ("imdb", "rotten_tomatoes"))
    reviews = imdb.train if args.reviews is None else imdb.train.select(range(args.reviews))
    seconds = time.process_time()
    bank = build_bank({"imdb": reviews, "rotten_tomatoes": snippets.train}, args.folder / "bank")
    documents = sum(source.documents for source in bank.facts.sources)
    print(f"Bank: {documents:,} texts, {len(bank):,} sentences, {time.process_time() - seconds:.1f} CPU s")
    if args.texts:
        bench_embedding(bank, args.folder / "bench", args.texts, args.rounds)
    job = EmbedJob("embedded", max_length=MAX_LENGTH)
    embeddings = embed_bank(bank, args.folder / "embeddings", job)
    held_out = [s for text in imdb.test["text"] for s in cut(text) if len(s) >= 10]
    chosen = np.random.default_rng(1).choice(len(held_out), args.queries, replace=False)
    queries = embed_texts([held_out[i] for i in chosen], args.folder / "queries", job)
    for kind in ("ivf", "pq"):
        bench_search(kind, embeddings, args.folder / kind, queries, args.rounds)


if __name__ == "__main__":
    main()

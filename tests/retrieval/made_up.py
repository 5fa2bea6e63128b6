"""A bank whose embeddings are known, for tests of what comes after them."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from datasets import Dataset

from textssl.retrieval import Bank, Embeddings, EmbedJob, build_bank, embed_bank


SIZE = 16


class HashEncoder:
    """A vector drawn from a seed that is the text, not of norm 1; counts the texts it was asked for."""

    def __init__(self, name: str = "hash") -> None:
        self.name = name
        self.texts: list[str] = []

    def __call__(self, texts: list[str]) -> np.ndarray:
        self.texts += texts
        return np.stack([vector_of(text) for text in texts])


def vector_of(text: str) -> np.ndarray:
    """A vector [16] near one of 8 centres, as sentences are near their topics."""
    digest = hashlib.sha256(text.encode()).digest()
    centre = np.random.default_rng(digest[0] % 8).standard_normal(SIZE)
    return 3 * centre + np.random.default_rng(list(digest)).standard_normal(SIZE)


def unit(text: str) -> np.ndarray:
    vector = vector_of(text)
    return vector / np.linalg.norm(vector)


def sentence(number: int) -> str:
    return f"This is sentence number {number} of the bank."


def made_up_bank(folder: Path, counts: tuple[int, ...] = (300, 200)) -> Bank:
    """A shard for each count."""
    sources, first = {}, 0
    for number, count in enumerate(counts):
        sources[f"part-{number}"] = Dataset.from_dict({"text": [sentence(i) for i in range(first, first + count)]})
        first += count
    return build_bank(sources, folder, add=True, progress=False)


def made_up_embeddings(bank: Bank, folder: Path, encoder: HashEncoder | None = None) -> Embeddings:
    return embed_bank(bank, folder, EmbedJob(encoder or HashEncoder()), rows_per_shard=64, progress=False)

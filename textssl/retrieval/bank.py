"""A bank of sentences on disk: Arrow files that are mapped into memory, and a description of them.

``bank.json`` names the sources, the shards and the counts; ``shards/`` holds the sentences. A shard is written once
and never changed, so that what was computed from it stays true when others are added.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from datasets import Dataset, concatenate_datasets

from ..errors import UserError
from .recorded import check_recorded, read_facts, write_facts


__all__ = [
    "Bank",
    "BankFacts",
    "BankShard",
    "BankSource",
    "check_k",
    "check_shard",
    "open_bank",
    "random_bank_sample",
]

FACTS = "bank.json"
FORMAT = 1


@dataclass
class BankSource:
    """What became of one source.

    Attributes:
        name: of the file or the data set.
        checksum: SHA-256 of its content.
        column: of its texts.
        documents: lines or rows that were read.
        sentences: that are in the bank.
        duplicates: sentences left out, for the bank had them.
        short: sentences left out, for they are shorter than ``min_chars``.
        complete: whether all of it is in finished shards.
    """

    name: str
    checksum: str
    column: str
    documents: int = 0
    sentences: int = 0
    duplicates: int = 0
    short: int = 0
    complete: bool = False


@dataclass(frozen=True)
class BankShard:
    """One file of sentences: its name, rows, bytes and SHA-256, and the number of its source."""

    file: str
    rows: int
    size: int
    sha256: str
    source: int


@dataclass
class BankFacts:
    """The content of ``bank.json``."""

    min_chars: int
    max_chars: int
    version: int = FORMAT
    sources: list[BankSource] = field(default_factory=list)
    shards: list[BankShard] = field(default_factory=list)

    def write(self, folder: Path) -> None:
        """Replace ``bank.json`` in one step."""
        write_facts(self, folder / FACTS)

    @staticmethod
    def read(folder: Path) -> BankFacts:
        """Read ``bank.json``.

        Raises:
            UserError: there is none, or it is none that this version wrote.
        """
        return read_facts(folder / FACTS, FORMAT, BankFacts._of, "bank", "bank of sentences")

    @staticmethod
    def _of(values: dict[str, Any]) -> BankFacts:
        values["sources"] = [BankSource(**source) for source in values["sources"]]
        values["shards"] = [BankShard(**shard) for shard in values["shards"]]
        return BankFacts(**values)


class Bank:
    """Sentences, with where each is from; nothing is read before it is asked for. See :func:`open_bank`.

    Args:
        folder: of the bank.
        facts: what ``bank.json`` says.

    Attributes:
        folder: of the bank.
        facts: sources with their counts, and shards.
        fingerprint: SHA-256 of the content. Equal sources in equal order give an equal one.
        first_rows: ``[S + 1]`` number of the first sentence of each of S shards, and of all sentences.
    """

    def __init__(self, folder: Path, facts: BankFacts) -> None:
        self.folder = folder
        self.facts = facts
        self.first_rows = np.cumsum([0, *(shard.rows for shard in facts.shards)])
        self.fingerprint = hashlib.sha256("\n".join(shard.sha256 for shard in facts.shards).encode()).hexdigest()

    def __len__(self) -> int:
        return int(self.first_rows[-1])

    @property
    def name(self) -> str:
        """Folder and fingerprint, for messages."""
        return f"{self.folder} ({self.fingerprint[:12]})"

    @cached_property
    def dataset(self) -> Dataset:
        """All N rows, mapped from the disk: ``text``; ``source``, its number; ``document``, its row or line from 0."""
        return concatenate_datasets([self.shard(number) for number in range(len(self.facts.shards))])

    def shard(self, number: int) -> Dataset:
        """The rows of one shard, mapped from the disk."""
        return Dataset.from_file(str(self.folder / self.facts.shards[number].file))

    def rows(self, numbers: Sequence[int] | np.ndarray) -> pa.Table:
        """Sentences by their numbers, in that order: ``text``, ``source`` (its name) and ``document``."""
        table: pa.Table = self.dataset.with_format("arrow")[np.asarray(numbers, np.int64)]
        names = pa.array([source.name for source in self.facts.sources], pa.string())
        position = table.column_names.index("source")
        return table.set_column(position, "source", names.take(table["source"].combine_chunks()))

    def texts(self, numbers: Sequence[int] | np.ndarray) -> list[str]:
        """The sentences alone."""
        return [str(text) for text in self.rows(numbers)["text"].to_pylist()]


def open_bank(folder: str | os.PathLike[str], *, verify: bool = False) -> Bank:
    """Open a finished bank.

    Args:
        folder: that :func:`textssl.retrieval.build_bank` wrote.
        verify: read all of it and compare checksums; else sizes alone are compared.

    Raises:
        UserError: no bank, one whose building was cut off, an empty one, or a shard that is missing, cut or changed.
    """
    folder = Path(folder)
    facts = BankFacts.read(folder)
    if unfinished := [source.name for source in facts.sources if not source.complete]:
        raise UserError(f"bank: {str(folder)!r} is not finished, it lacks sentences of {unfinished}; build it again")
    for shard in facts.shards:
        check_shard(folder, shard, verify)
    if not facts.shards:
        raise UserError(f"bank: {str(folder)!r} is empty; expected at least one sentence")
    return Bank(folder, facts)


def check_shard(folder: Path, shard: BankShard, verify: bool) -> None:
    """Raise UserError for a shard that is missing, cut or, where ``verify`` is set, changed."""
    check_recorded("bank: the shard", folder / shard.file, shard.size, shard.sha256, FACTS, verify)


def random_bank_sample(bank: Bank, k: int, seed: int) -> np.ndarray:
    """Sentences drawn without regard to a task, the control of a retrieval.

    Args:
        bank: of N sentences.
        k: how many, without repeats.
        seed: of the draw.

    Returns:
        ``[k]`` sorted row numbers.

    Raises:
        UserError: k below 1 or above N.
    """
    check_k(k, bank)
    return np.sort(np.random.default_rng([seed, 0]).choice(len(bank), k, replace=False))


def check_k(k: int, bank: Bank, name: str = "k") -> None:
    """Raise UserError for more neighbours than there are sentences, or none."""
    if k < 1:
        raise UserError(f"{name}: got {k}; expected at least 1")
    if k > len(bank):
        raise UserError(f"{name}: got {k}, and the bank {str(bank.folder)!r} has {len(bank)} sentences")

"""The data of a recipe: few labeled, many unlabeled, some to follow training by, some held out."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import datasets
import numpy as np

from ...config import SSLConfig
from ...data.files import content_checksum
from ...data.predicted_columns import PROBABILITIES, PROBABILITY
from ...hub import DataFacts, SplitFacts
from ...sources.splits import Split
from ...training.run_record import dataset_checksum


__all__ = ["OWN_FILES", "TaskData"]

# Where data come from that are no named source's.
OWN_FILES = "own files"


@dataclass(frozen=True)
class TaskData:
    """What a recipe trains and measures on; ``modality`` is ``"text"`` or ``"image"``.

    There may be no unlabeled examples, none to follow training by, and none held out.
    """

    modality: str
    column: str
    labeled: datasets.Dataset
    unlabeled: datasets.Dataset | None
    validation: datasets.Dataset | None
    test: datasets.Dataset | None
    label_names: tuple[str, ...]
    data_facts: DataFacts
    split_facts: SplitFacts
    split: Split | None
    pair_column: str | None = None
    # Whether an image may be mirrored without a change of class.
    flip: bool = False
    # What a text that is too long loses unless a person says otherwise: reviews give their verdict at the end.
    truncation: str = "end"
    # Unlabeled examples that there are, of which a named source may be asked to give fewer.
    unlabeled_in_all: int | None = None
    # Class number of each unlabeled example, -1 where nobody knows it. For the report; no training sees it.
    unlabeled_truth: np.ndarray | None = None
    # The unlabeled examples with all columns of a person's file, for what is written for that person.
    unlabeled_source: datasets.Dataset | None = None
    # Of ``unlabeled``, strong views that a person made.
    strong_columns: tuple[str, ...] = ()

    @property
    def columns(self) -> list[str]:
        """Of the examples: one, or those of both texts of a pair."""
        return [self.column] if self.pair_column is None else [self.column, self.pair_column]

    def checksum(self, config: SSLConfig) -> str:
        """SHA-256 of the labeled and the unlabeled examples, in their order."""
        labeled = content_checksum(self.labeled, [*self.columns, config.label_column])
        unlabeled = ""
        if self.unlabeled is not None:
            told = [name for name in self.unlabeled.column_names if name.startswith((PROBABILITY, PROBABILITIES))]
            unlabeled = content_checksum(self.unlabeled, [*self.columns, *told, *self.strong_columns])
        return hashlib.sha256((labeled + unlabeled).encode()).hexdigest()

    def held_out_checksum(self) -> str:
        """SHA-256 of what figures are measured on, labels included: validation and test examples."""
        parts = [part for part in (self.validation, self.test) if part is not None]
        return hashlib.sha256("".join(map(dataset_checksum, parts)).encode()).hexdigest()

    def describe(self) -> str:
        """One line for a person."""
        facts, noise = self.split_facts, ""
        if facts.noise is not None and facts.wrong_labels is not None:
            noise = f" {100 * facts.wrong_labels / len(self.labeled):.3g} % of them wrongly ({facts.noise}),"
        parts = [(self.unlabeled, "unlabeled"), (self.test, "held out")]
        if self.data_facts.origin == OWN_FILES:
            parts.insert(1, (self.validation, "for validation"))
        counts = [f"{len(part):,} {name}" for part, name in parts if part is not None]
        start = f"{self.data_facts.name} ({self.data_facts.origin}): {len(self.labeled):,} labeled"
        return f"{start},{noise} {', '.join(counts)}" if counts else f"{start}{noise.rstrip(',')}"

    @property
    def examples(self) -> datasets.Dataset:
        """The unlabeled examples, or where there are none the labeled ones."""
        return self.labeled if self.unlabeled is None else self.unlabeled

"""Rows that a recipe draws from its data: seeds, random subsets, facts for the model card."""

from __future__ import annotations

import hashlib

import datasets

from ...config import SSLConfig
from ...hub import SplitFacts
from ...sources.splits import Split


__all__ = ["data_seed", "facts_of_split", "random_rows"]

# The held-out examples of all runs are the same, whatever their seeds.
TEST_SEED = 0


def data_seed(config: SSLConfig) -> int:
    """Seed of the labels that are drawn: ``data_seed``, or that of the run."""
    return config.seed if config.data_seed is None else config.data_seed


def random_rows(dataset: datasets.Dataset, size: int | None) -> datasets.Dataset:
    """``size`` rows at random, the same whatever the seed of the run; all rows if there are no more."""
    if size is None or size >= len(dataset):
        return dataset
    return dataset.shuffle(seed=TEST_SEED).select(range(size))


def facts_of_split(
    labeled: datasets.Dataset,
    unlabeled: datasets.Dataset | None,
    test: datasets.Dataset | None,
    seed: int,
    split: Split | None,
) -> SplitFacts:
    """How many examples each part has, and which rows are labeled, for the model card."""
    return SplitFacts(
        labeled=len(labeled),
        unlabeled=None if unlabeled is None else len(unlabeled),
        held_out=None if test is None else len(test),
        seed=seed,
        indices_sha256=None if split is None else hashlib.sha256(split.labeled.tobytes()).hexdigest(),
    )

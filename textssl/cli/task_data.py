"""The data of a recipe: few labeled, many unlabeled, some to follow training by, some held out."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import datasets
from transformers import IntervalStrategy

from ..config import SSLConfig
from ..data.files import content_checksum
from ..data.sources import load_source, load_table
from ..data.splits import Split, few_labels
from ..data.validation import check_labeled
from ..errors import UserError
from ..hub import DataFacts, SplitFacts
from .options import RecipeOptions


__all__ = ["TaskData", "load_task"]

# Everybody's held-out examples are the same, whatever the seed of the run.
TEST_SEED = 0


@dataclass(frozen=True)
class TaskData:
    """What a recipe trains and measures on."""

    labeled: datasets.Dataset
    unlabeled: datasets.Dataset
    validation: datasets.Dataset | None
    test: datasets.Dataset
    label_names: tuple[str, ...]
    data_facts: DataFacts
    split_facts: SplitFacts
    split: Split | None

    def checksum(self, config: SSLConfig) -> str:
        """SHA-256 of the labeled and the unlabeled examples, in their order."""
        labeled = content_checksum(self.labeled, [config.text_column, config.label_column])
        unlabeled = content_checksum(self.unlabeled, [config.text_column])
        return hashlib.sha256((labeled + unlabeled).encode()).hexdigest()

    def describe(self) -> str:
        """One line for a person."""
        return (
            f"{self.data_facts.name} ({self.data_facts.origin}): {len(self.labeled)} labeled, "
            f"{len(self.unlabeled):,} unlabeled, {len(self.test):,} held out"
        )


def load_task(options: RecipeOptions, config: SSLConfig) -> TaskData:
    """Load a person's own files if there are any, else IMDb with few of its labels kept.

    Without validation data evaluation during training is switched off in ``config``.

    Raises:
        UserError: files, columns, labels or sizes that cannot work.
    """
    data = _own_files(options, config) if options.train_file else _imdb(options, config)
    if data.validation is None:
        if config.load_best_model_at_end:
            raise UserError("load_best_model_at_end: got True; there are no validation data to tell the best by")
        config.eval_strategy = IntervalStrategy.NO
    return data


def _imdb(options: RecipeOptions, config: SSLConfig) -> TaskData:
    source = load_source("imdb", options.source)  # type: ignore[arg-type]
    seed = config.seed if config.data_seed is None else config.data_seed
    split = few_labels(
        source.train[source.label_column],
        seed=seed,
        total=options.num_labeled,
        validation=options.num_validation,
        label_names=source.label_names,
        checksum=source.checksum,
        source=f"{source.name} ({source.origin})",
    )
    unlabeled = source.train.select(split.unlabeled).remove_columns(source.label_column)
    if source.unlabeled is not None:
        more = source.unlabeled.remove_columns(source.label_column)
        unlabeled = datasets.concatenate_datasets([unlabeled, more])
    if options.num_unlabeled is not None:
        unlabeled = unlabeled.shuffle(seed=seed).select(range(min(options.num_unlabeled, len(unlabeled))))
    return TaskData(
        labeled=source.train.select(split.labeled),
        unlabeled=unlabeled.flatten_indices(),
        validation=source.train.select(split.validation) if options.num_validation else None,
        test=_first(source.test, options.num_test),
        label_names=source.label_names,
        data_facts=DataFacts(
            name="IMDb",
            hub_id="stanfordnlp/imdb" if source.origin == "hub" else None,
            origin=source.origin,
            license=source.licence,
            checksum=source.checksum,
        ),
        split_facts=SplitFacts(
            labeled=len(split.labeled),
            unlabeled=len(unlabeled),
            held_out=len(_first(source.test, options.num_test)),
            seed=seed,
            indices_sha256=hashlib.sha256(split.labeled.tobytes()).hexdigest(),
        ),
        split=split,
    )


def _own_files(options: RecipeOptions, config: SSLConfig) -> TaskData:
    columns = (config.text_column, config.label_column)
    labeled = load_table(str(options.train_file), *columns)
    names = tuple(labeled.features[config.label_column].names)
    if len(names) < 2:
        raise UserError(f"train_file: {options.train_file} has one class, {names}; expected two or more")
    ids = {name: i for i, name in enumerate(names)}
    check_labeled(labeled, *columns, len(names), ids, argument=f"train_file: {options.train_file}")
    unlabeled = load_table(str(options.unlabeled_file), config.text_column, None)
    unlabeled = unlabeled.select_columns([config.text_column])
    if options.num_unlabeled is not None:
        unlabeled = _first(unlabeled, options.num_unlabeled).flatten_indices()
    test = _first(load_table(str(options.test_file), *columns, label_names=names), options.num_test)
    return TaskData(
        labeled=labeled,
        unlabeled=unlabeled,
        validation=None,
        test=test,
        label_names=names,
        data_facts=DataFacts(name=Path(str(options.train_file)).stem, origin="own files"),
        split_facts=SplitFacts(labeled=len(labeled), unlabeled=len(unlabeled), held_out=len(test), seed=config.seed),
        split=None,
    )


def _first(dataset: datasets.Dataset, size: int | None) -> datasets.Dataset:
    if size is None or size >= len(dataset):
        return dataset
    return dataset.shuffle(seed=TEST_SEED).select(range(size))

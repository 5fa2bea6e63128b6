"""The data of a recipe from a named source, of which few labels are kept."""

from __future__ import annotations

import datasets

from ...config import SSLConfig
from ...data.hidden_labels import hidden_labels
from ...errors import UserError
from ...hub import DataFacts
from ...sources.named import SOURCES, LoadedSource, load_source
from ...sources.splits import Split, few_labels
from ..console import say
from ..options import RecipeOptions, rename_argument_in_errors
from .subsets import data_seed, facts_of_split, random_rows
from .task_data import TaskData


__all__ = ["named_task"]

# Labeled examples of a named source.
NUM_LABELED = 20
TITLES = {
    "election_tweets": "tweets of the US election of 2016",
    "imdb": "IMDb",
    "mnist5k": "MNIST, 5,000 images",
    "newsgroups": "20 Newsgroups",
    "reuters_r52": "Reuters-21578, 52 topics",
    "shapes": "drawn shapes",
}


def named_task(options: RecipeOptions, config: SSLConfig, default: str) -> TaskData:
    """A source by name, few of its labels kept.

    Raises:
        UserError: no such source, pairs of texts, or more labels than there are.
    """
    name, origin = options.named_source(default)
    if config.text_pair_column is not None:
        raise UserError(f"text_pair_column: got {config.text_pair_column!r}; {name} has no pairs of texts")
    with rename_argument_in_errors("source", "name", "origin"):
        source = load_source(name, origin)  # type: ignore[arg-type]
    seed = data_seed(config)
    split, validation = _split(source, options, seed)
    unlabeled = _unlabeled(source, split)
    in_all = len(unlabeled)
    if options.num_unlabeled is not None:
        unlabeled = unlabeled.shuffle(seed=seed).select(range(min(options.num_unlabeled, len(unlabeled))))
    truth = hidden_labels(unlabeled, source.label_column, source.label_names)
    unlabeled = unlabeled.remove_columns(source.label_column)
    test = random_rows(source.test, options.num_test)
    labeled = source.train.select(split.labeled)
    return TaskData(
        modality=source.modality,
        column=source.column,
        labeled=labeled,
        unlabeled=unlabeled.flatten_indices(),
        validation=source.train.select(split.validation) if validation else None,
        test=test,
        label_names=source.label_names,
        data_facts=_facts(source, name),
        split_facts=facts_of_split(labeled, unlabeled, test, seed, split),
        split=split,
        flip=source.flip,
        truncation=SOURCES[name].truncation,
        unlabeled_in_all=in_all,
        unlabeled_truth=truth,
    )


def _split(source: LoadedSource, options: RecipeOptions, seed: int) -> tuple[Split, int]:
    """The rows of each part, and how many there are for validation: fewer where a preset's number leaves no labels."""
    validation = options.num_validation
    while True:
        try:
            split = few_labels(
                source.train[source.label_column],
                seed=seed,
                total=NUM_LABELED if options.num_labeled is None else options.num_labeled,
                validation=validation,
                label_names=source.label_names,
                checksum=source.checksum,
                source=f"{source.name} ({source.origin})",
            )
        except UserError:
            if "num_validation" in options.explicit or not validation:
                raise
            validation //= 2
            continue
        if validation != options.num_validation:
            say(
                f"changed: num_validation: {validation} instead of {options.num_validation}, to go with num_labeled "
                f"{options.num_labeled}"
            )
        return split, validation


def _unlabeled(source: LoadedSource, split: Split) -> datasets.Dataset:
    """All that is without label in training: rows whose labels are not kept, and those that never had any."""
    unlabeled = source.train.select(split.unlabeled)
    return unlabeled if source.unlabeled is None else datasets.concatenate_datasets([unlabeled, source.unlabeled])


def _facts(source: LoadedSource, name: str) -> DataFacts:
    hub = SOURCES[name].hub
    return DataFacts(
        name=TITLES.get(name, name),
        hub_id=hub.repo if hub is not None and source.origin == "hub" else None,
        origin=source.origin,
        license=source.licence,
        checksum=source.checksum,
    )

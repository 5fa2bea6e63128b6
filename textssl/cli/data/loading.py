"""Loading the data of a recipe: a person's own files, or a named source with few of its labels kept."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import datasets
import numpy as np

from ...config import SSLConfig
from ...data.validation import check_every_class
from ...errors import UserError
from ...hub import DataFacts, SplitFacts
from ...modalities.image.folder import load_images
from ...modalities.image.validation import check_images
from ...sources.named import SOURCES, LoadedSource, load_source, load_table
from ...sources.splits import Split, few_labels
from ..options import RecipeOptions, rename_argument_in_errors
from .checks import check_quality
from .noisy_labels import check_noise_source, noisy_labels, wrong_labels
from .own_split import own_split
from .task_data import OWN_FILES, TaskData


__all__ = ["load_task", "modality_of_files", "modality_of_task"]

# Everybody's held-out examples are the same, whatever the seed of the run.
TEST_SEED = 0
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


def load_task(
    options: RecipeOptions, config: SSLConfig, default: str = "imdb", needs_unlabeled: bool = True
) -> TaskData:
    """Load a person's own files if there are any, else a named source with few of its labels kept.

    Where noise is asked for, labels of ``labeled`` are wrong and the true ones stand in a column of their own; no
    other part is touched.

    Args:
        options: the recipe's.
        config: the method's.
        default: the source, where ``options`` name none.
        needs_unlabeled: whether the method learns from unlabeled examples.

    Raises:
        UserError: files, columns, labels or sizes that cannot work.
    """
    check_noise_source(options, default)
    data = _own_files(options, config, needs_unlabeled) if options.train_file else _named(options, config, default)
    check_quality(data, options, config)
    return _with_noise(data, options, config)


def modality_of_task(options: RecipeOptions, default: str) -> str:
    """``"text"`` or ``"image"``, told without reading any data."""
    if options.train_file is None:
        name, _ = options.named_source(default)
        return SOURCES[name].modality if name in SOURCES else "text"
    return modality_of_files(options.train_file, options.backend)


def modality_of_files(train_file: str, backend: str) -> str:
    """What own files hold: as ``backend`` says, else images where it is a folder that no data set was saved in."""
    if backend in ("text", "image"):
        return backend
    folder = Path(train_file)
    return "image" if folder.is_dir() and not (folder / "state.json").is_file() else "text"


def _named(options: RecipeOptions, config: SSLConfig, default: str) -> TaskData:
    name, origin = options.named_source(default)
    if config.text_pair_column is not None:
        raise UserError(f"text_pair_column: got {config.text_pair_column!r}; {name} has no pairs of texts")
    with rename_argument_in_errors("source", "name", "origin"):
        source = load_source(name, origin)  # type: ignore[arg-type]
    seed = _data_seed(config)
    split = few_labels(
        source.train[source.label_column],
        seed=seed,
        total=NUM_LABELED if options.num_labeled is None else options.num_labeled,
        validation=options.num_validation,
        label_names=source.label_names,
        checksum=source.checksum,
        source=f"{source.name} ({source.origin})",
    )
    unlabeled = _named_unlabeled(source, split)
    in_all = len(unlabeled)
    if options.num_unlabeled is not None:
        unlabeled = unlabeled.shuffle(seed=seed).select(range(min(options.num_unlabeled, len(unlabeled))))
    test = _first(source.test, options.num_test)
    labeled = source.train.select(split.labeled)
    return TaskData(
        modality=source.modality,
        column=source.column,
        labeled=labeled,
        unlabeled=unlabeled.flatten_indices(),
        validation=source.train.select(split.validation) if options.num_validation else None,
        test=test,
        label_names=source.label_names,
        data_facts=_named_facts(source, name),
        split_facts=_split_facts(labeled, unlabeled, test, seed, split),
        split=split,
        flip=source.flip,
        truncation=SOURCES[name].truncation,
        unlabeled_in_all=in_all,
    )


def _named_unlabeled(source: LoadedSource, split: Split) -> datasets.Dataset:
    """All that has no label now: rows whose labels are not kept, and those that never had any."""
    unlabeled = source.train.select(split.unlabeled).remove_columns(source.label_column)
    if source.unlabeled is None:
        return unlabeled
    return datasets.concatenate_datasets([unlabeled, source.unlabeled.remove_columns(source.label_column)])


def _named_facts(source: LoadedSource, name: str) -> DataFacts:
    hub = SOURCES[name].hub
    return DataFacts(
        name=TITLES.get(name, name),
        hub_id=hub.repo if hub is not None and source.origin == "hub" else None,
        origin=source.origin,
        license=source.licence,
        checksum=source.checksum,
    )


def _own_files(options: RecipeOptions, config: SSLConfig, needs_unlabeled: bool) -> TaskData:
    modality = modality_of_task(options, "")
    column = config.text_column if modality == "text" else config.image_column
    labeled = _own_labeled(options, config, column)
    names = tuple(labeled.features[config.label_column].names)
    pair_column = config.text_pair_column if modality == "text" else None
    columns = [column] if pair_column is None else [column, pair_column]
    split = own_split(labeled, options, _data_seed(config), [*columns, config.label_column])
    unlabeled = _own_unlabeled(options, config, columns, labeled, split, needs_unlabeled)
    validation, test = (
        None if getattr(options, flag) is None else _read(flag, options, config, column, config.label_column, names)
        for flag in ("validation_file", "test_file")
    )
    if split is not None:
        validation = labeled.select(split.validation) if len(split.validation) else validation
        labeled = labeled.select(split.labeled)
    test = None if test is None else _first(test, options.num_test)
    return TaskData(
        modality=modality,
        column=column,
        labeled=labeled,
        unlabeled=unlabeled,
        validation=validation,
        test=test,
        label_names=names,
        data_facts=DataFacts(name=Path(str(options.train_file)).stem, origin=OWN_FILES),
        split_facts=_split_facts(labeled, unlabeled, test, config.seed if split is None else split.seed, split),
        split=split,
        pair_column=pair_column,
    )


def _own_labeled(options: RecipeOptions, config: SSLConfig, column: str) -> datasets.Dataset:
    """The rows of ``train_file``: of two or more classes, each with an example."""
    labeled = _read("train_file", options, config, column, config.label_column)
    names = tuple(labeled.features[config.label_column].names)
    if len(names) < 2:
        raise UserError(f"train_file: {options.train_file} has one class, {names}; expected two or more")
    ids = {name: i for i, name in enumerate(names)}
    labels = np.asarray(labeled[config.label_column][:], np.int64)
    check_every_class(labels, len(names), ids, f"train_file: {options.train_file}")
    return labeled


def _own_unlabeled(
    options: RecipeOptions,
    config: SSLConfig,
    columns: list[str],
    labeled: datasets.Dataset,
    split: Split | None,
    needed: bool,
) -> datasets.Dataset | None:
    """Those of the file, else what labels were taken from; ``None`` where there are none and none are needed."""
    if options.unlabeled_file is not None:
        unlabeled = _read("unlabeled_file", options, config, columns[0], None).select_columns(columns)
    elif split is not None and len(split.unlabeled):
        unlabeled = labeled.select(split.unlabeled).select_columns(columns).flatten_indices()
    elif needed:
        raise UserError(
            "unlabeled_file: got none; the method learns from unlabeled data: give a file of them, or --labels N, "
            "which takes the labels from the other rows of train_file"
        )
    else:
        return None
    if options.num_unlabeled is not None:
        unlabeled = _first(unlabeled, options.num_unlabeled).flatten_indices()
    return unlabeled


def _split_facts(
    labeled: datasets.Dataset,
    unlabeled: datasets.Dataset | None,
    test: datasets.Dataset | None,
    seed: int,
    split: Split | None,
) -> SplitFacts:
    return SplitFacts(
        labeled=len(labeled),
        unlabeled=None if unlabeled is None else len(unlabeled),
        held_out=None if test is None else len(test),
        seed=seed,
        indices_sha256=None if split is None else hashlib.sha256(split.labeled.tobytes()).hexdigest(),
    )


def _with_noise(data: TaskData, options: RecipeOptions, config: SSLConfig) -> TaskData:
    labeled = noisy_labels(
        data.labeled, options, data.column, config.label_column, data.label_names, _data_seed(config)
    )
    if labeled is data.labeled:
        return data
    wrong = wrong_labels(labeled, config.label_column)
    facts = replace(data.split_facts, noise=options.noise_kind, wrong_labels=wrong)
    return replace(data, labeled=labeled, split_facts=facts)


def _data_seed(config: SSLConfig) -> int:
    return config.seed if config.data_seed is None else config.data_seed


def _read(
    flag: str,
    options: RecipeOptions,
    config: SSLConfig,
    column: str,
    label_column: str | None,
    label_names: tuple[str, ...] | None = None,
) -> datasets.Dataset:
    """One of a person's own files, its texts or images checked; sizes of images are left to the trainer."""
    path = str(getattr(options, flag))
    with rename_argument_in_errors(flag, "path"):
        if modality_of_task(options, "") == "text":
            return load_table(
                path, column, label_column, label_names=label_names, text_pair_column=config.text_pair_column
            )
        images = load_images(path, column, label_column, label_names=label_names)
        return check_images(images, column, path, skip_corrupt=config.skip_corrupt_images)


def _first(dataset: datasets.Dataset, size: int | None) -> datasets.Dataset:
    if size is None or size >= len(dataset):
        return dataset
    return dataset.shuffle(seed=TEST_SEED).select(range(size))

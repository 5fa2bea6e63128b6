"""The data of a recipe: few labeled, many unlabeled, some to follow training by, some held out."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

import datasets
from accelerate import PartialState

from ..config import SSLConfig
from ..data.files import content_checksum
from ..data.image_folder import load_images
from ..data.image_validation import check_images
from ..data.quality import DataQuality, label_findings
from ..data.sources import SOURCES, load_source, load_table
from ..data.splits import Split, few_labels
from ..data.validation import check_labeled
from ..errors import UserError
from ..hub import DataFacts, SplitFacts
from ..training.run_record import dataset_checksum
from .noisy_labels import check_noise_source, noisy_labels, wrong_labels
from .options import RecipeOptions, told_as


__all__ = ["TaskData", "load_task", "modality_of_files", "modality_of_task"]

# Everybody's held-out examples are the same, whatever the seed of the run.
TEST_SEED = 0
TITLES = {"imdb": "IMDb", "mnist5k": "MNIST, 5,000 images", "newsgroups": "20 Newsgroups"}


@dataclass(frozen=True)
class TaskData:
    """What a recipe trains and measures on; ``modality`` is ``"text"`` or ``"image"``."""

    modality: str
    column: str
    labeled: datasets.Dataset
    unlabeled: datasets.Dataset
    validation: datasets.Dataset | None
    test: datasets.Dataset
    label_names: tuple[str, ...]
    data_facts: DataFacts
    split_facts: SplitFacts
    split: Split | None
    pair_column: str | None = None
    # Whether an image may be mirrored without a change of class.
    flip: bool = False

    @property
    def columns(self) -> list[str]:
        """Of the examples: one, or those of both texts of a pair."""
        return [self.column] if self.pair_column is None else [self.column, self.pair_column]

    def checksum(self, config: SSLConfig) -> str:
        """SHA-256 of the labeled and the unlabeled examples, in their order."""
        labeled = content_checksum(self.labeled, [*self.columns, config.label_column])
        unlabeled = content_checksum(self.unlabeled, self.columns)
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
        return (
            f"{self.data_facts.name} ({self.data_facts.origin}): {len(self.labeled):,} labeled,{noise} "
            f"{len(self.unlabeled):,} unlabeled, {len(self.test):,} held out"
        )


def load_task(options: RecipeOptions, config: SSLConfig, default: str = "imdb") -> TaskData:
    """Load a person's own files if there are any, else a named source with few of its labels kept.

    Where noise is asked for, labels of ``labeled`` are wrong and the true ones stand in a column of their own; no
    other part is touched.

    Args:
        options: the recipe's.
        config: the method's.
        default: the source, where ``options`` name none.

    Raises:
        UserError: files, columns, labels or sizes that cannot work.
    """
    check_noise_source(options, default)
    data = _own_files(options, config) if options.train_file else _named(options, config, default)
    _check_quality(data, options, config)
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
    with told_as("source", "name", "origin"):
        source = load_source(name, origin)  # type: ignore[arg-type]
    seed = _data_seed(config)
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
    test = _first(source.test, options.num_test)
    hub = SOURCES[name].hub
    return TaskData(
        modality=source.modality,
        column=source.column,
        labeled=source.train.select(split.labeled),
        unlabeled=unlabeled.flatten_indices(),
        validation=source.train.select(split.validation) if options.num_validation else None,
        test=test,
        label_names=source.label_names,
        data_facts=DataFacts(
            name=TITLES.get(name, name),
            hub_id=hub.repo if hub is not None and source.origin == "hub" else None,
            origin=source.origin,
            license=source.licence,
            checksum=source.checksum,
        ),
        split_facts=SplitFacts(
            labeled=len(split.labeled),
            unlabeled=len(unlabeled),
            held_out=len(test),
            seed=seed,
            indices_sha256=hashlib.sha256(split.labeled.tobytes()).hexdigest(),
        ),
        split=split,
        flip=source.flip,
    )


def _own_files(options: RecipeOptions, config: SSLConfig) -> TaskData:
    modality = modality_of_task(options, "")
    column = config.text_column if modality == "text" else config.image_column
    labeled = _read("train_file", options, config, column, config.label_column)
    names = tuple(labeled.features[config.label_column].names)
    if len(names) < 2:
        raise UserError(f"train_file: {options.train_file} has one class, {names}; expected two or more")
    ids = {name: i for i, name in enumerate(names)}
    where = f"train_file: {options.train_file}"
    inputs_are_checked = {"check_inputs": lambda dataset, *_: dataset}
    check_labeled(labeled, column, config.label_column, len(names), ids, argument=where, **inputs_are_checked)
    pair_column = config.text_pair_column if modality == "text" else None
    columns = [column] if pair_column is None else [column, pair_column]
    unlabeled = _read("unlabeled_file", options, config, column, None).select_columns(columns)
    if options.num_unlabeled is not None:
        unlabeled = _first(unlabeled, options.num_unlabeled).flatten_indices()
    test = _first(_read("test_file", options, config, column, config.label_column, names), options.num_test)
    return TaskData(
        modality=modality,
        column=column,
        labeled=labeled,
        unlabeled=unlabeled,
        validation=None,
        test=test,
        label_names=names,
        data_facts=DataFacts(name=Path(str(options.train_file)).stem, origin="own files"),
        split_facts=SplitFacts(labeled=len(labeled), unlabeled=len(unlabeled), held_out=len(test), seed=config.seed),
        split=None,
        pair_column=pair_column,
    )


def _check_quality(data: TaskData, options: RecipeOptions, config: SSLConfig) -> None:
    """Compare all parts, the held-out ones too: trainers, which are made of some of them, need not look again."""
    told = "{}_file" if options.train_file else "the {} part"
    quality = DataQuality(
        [data.column], config.label_column, config.data_check, PartialState().is_main_process, data.label_names
    )
    quality.report(label_findings(data.labeled, config.label_column, told.format("train")))
    quality.check_training((told.format("train"), data.labeled), (told.format("unlabeled"), data.unlabeled))
    held_out = {told.format(name): getattr(data, name) for name in ("validation", "test")}
    quality.check_evaluation({name: part for name, part in held_out.items() if part is not None})


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
    with told_as(flag, "path"):
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

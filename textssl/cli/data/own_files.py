"""The data of a recipe from a person's own files."""

from __future__ import annotations

from pathlib import Path

import datasets
import numpy as np

from ...config import SSLConfig
from ...data.class_labels import with_class_labels
from ...data.hidden_labels import hidden_labels
from ...data.validation import check_every_class, check_texts
from ...errors import UserError
from ...hub import DataFacts
from ...modalities.image.folder import is_image_folder, load_images
from ...modalities.image.validation import check_images
from ...own_data import OwnData, read_own_data
from ...own_data.places import inner_place, is_hub_name
from ...sources.named import load_table
from ...sources.splits import Split
from ..console import say
from ..options import RecipeOptions, rename_argument_in_errors
from .modality import modality_of_task
from .own_split import own_split
from .pseudo_labeled import teacher_columns
from .strong_columns import strong_columns
from .subsets import data_seed, facts_of_split, random_rows
from .task_data import OWN_FILES, TaskData


__all__ = ["own_task"]

# Of a data set of the Hub, or of a folder with several: the first that there is.
SPLITS = {
    "train_file": ("train",),
    "unlabeled_file": ("unsupervised", "unlabeled", "train"),
    "validation_file": ("validation", "dev", "test"),
    "test_file": ("test",),
}


def own_task(options: RecipeOptions, config: SSLConfig, needs_unlabeled: bool) -> TaskData:
    """Files that the options name.

    Raises:
        UserError: files, columns, labels or sizes that cannot work.
    """
    modality = modality_of_task(options, "")
    column = config.text_column if modality == "text" else config.image_column
    labeled = _labeled(options, config, column)
    names = tuple(labeled.features[config.label_column].names)
    pair_column = config.text_pair_column if modality == "text" else None
    columns = [column] if pair_column is None else [column, pair_column]
    split = own_split(labeled, options, data_seed(config), [*columns, config.label_column])
    source = _unlabeled(options, config, columns, labeled, split, needs_unlabeled)
    strong = strong_columns(source, options, columns)
    kept = [*columns, *strong, *(() if source is None else teacher_columns(source, config))]
    unlabeled = None if source is None else source.select_columns(list(dict.fromkeys(kept)))
    validation, test = (
        None if getattr(options, flag) is None else _read(flag, options, config, column, config.label_column, names)
        for flag in ("validation_file", "test_file")
    )
    if split is not None:
        validation = labeled.select(split.validation) if len(split.validation) else validation
        labeled = labeled.select(split.labeled)
    test = None if test is None else random_rows(test, options.num_test)
    return TaskData(
        modality=modality,
        column=column,
        labeled=labeled,
        unlabeled=unlabeled,
        validation=validation,
        test=test,
        label_names=names,
        data_facts=DataFacts(name=Path(str(options.train_file)).stem, origin=OWN_FILES),
        split_facts=facts_of_split(labeled, unlabeled, test, config.seed if split is None else split.seed, split),
        split=split,
        pair_column=pair_column,
        unlabeled_truth=None if source is None else hidden_labels(source, config.label_column, names),
        unlabeled_source=source,
        strong_columns=strong,
    )


def _labeled(options: RecipeOptions, config: SSLConfig, column: str) -> datasets.Dataset:
    """The rows of ``train_file``: of two or more classes, each with an example."""
    labeled = _read("train_file", options, config, column, config.label_column)
    names = tuple(labeled.features[config.label_column].names)
    if len(names) < 2:
        raise UserError(f"train_file: {options.train_file} has one class, {names}; expected two or more")
    ids = {name: i for i, name in enumerate(names)}
    labels = np.asarray(labeled[config.label_column][:], np.int64)
    check_every_class(labels, len(names), ids, f"train_file: {options.train_file}")
    return labeled


def _unlabeled(
    options: RecipeOptions,
    config: SSLConfig,
    columns: list[str],
    labeled: datasets.Dataset,
    split: Split | None,
    needed: bool,
) -> datasets.Dataset | None:
    """Those of the file, else what labels were taken from; ``None`` where there are none and none are needed."""
    if options.unlabeled_file is not None:
        unlabeled = _read("unlabeled_file", options, config, columns[0], None)
    elif split is not None and len(split.unlabeled):
        unlabeled = labeled.select(split.unlabeled).flatten_indices()
    elif needed:
        raise UserError(
            "unlabeled_file: got none; the method learns from unlabeled data: give a file of them, or --labels N, "
            "which takes the labels from the other rows of train_file"
        )
    else:
        return None
    if options.num_unlabeled is not None:
        unlabeled = random_rows(unlabeled, options.num_unlabeled).flatten_indices()
    return unlabeled


def _read(
    flag: str,
    options: RecipeOptions,
    config: SSLConfig,
    column: str,
    label_column: str | None,
    label_names: tuple[str, ...] | None = None,
) -> datasets.Dataset:
    """One of a person's own files, its texts or images checked; sizes of images are left to the trainer.

    Columns that nobody named, and that are not called as usual, are found and take the usual names.
    """
    path, modality = str(getattr(options, flag)), modality_of_task(options, "")
    with rename_argument_in_errors(flag, "path"):
        found = None if config.text_pair_column is not None else _found(flag, path, options, config, label_column)
        if found is not None and found.modality == modality:
            rows = _called(found, column, label_column)
            if modality == "text":
                check_texts(rows, column, path)
            rows = rows if label_column is None else with_class_labels(rows, label_column, label_names, Path(path))
        elif modality == "text":
            return load_table(
                path, column, label_column, label_names=label_names, text_pair_column=config.text_pair_column
            )
        else:
            rows = load_images(path, column, label_column, label_names=label_names)
        return (
            rows if modality == "text" else check_images(rows, column, path, skip_corrupt=config.skip_corrupt_images)
        )


def _found(
    flag: str, path: str, options: RecipeOptions, config: SSLConfig, label_column: str | None
) -> OwnData | None:
    """The file with its columns; ``None`` where the usual readers shall read it, or tell what is wrong."""
    asked = ("text_column", "image_column", *(() if label_column is None else ("label_column",)))
    named: dict[str, str] = {name: getattr(config, name) for name in asked if name in options.explicit}
    try:
        if is_image_folder(inner_place(Path(path), SPLITS[flag], flag)):
            return None
        found = read_own_data(path, flag, labeled=label_column is not None, splits=SPLITS[flag], **named)
    except UserError:
        if is_hub_name(path):
            raise
        return None
    if label_column is not None and found.label_column is None:
        return None
    inputs = config.text_column if found.modality == "text" else config.image_column
    usual = found.column == inputs and (label_column is None or found.label_column == label_column)
    # Without a note, so that its first line is a header.
    return None if usual and not found.notes and Path(path).is_file() else found


def _called(found: OwnData, column: str, label_column: str | None) -> datasets.Dataset:
    """The rows with columns of these names."""
    rows = found.rows
    for own, name in ((found.column, column), (found.label_column, label_column)):
        if own is None or name is None or own == name:
            continue
        if name in rows.column_names:
            rows = rows.remove_columns(name)
        rows = rows.rename_column(own, name)
    for note in found.notes:
        say(note)
    return rows

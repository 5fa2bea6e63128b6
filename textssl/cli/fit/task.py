"""The data of the recipe of the choice among classifiers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import datasets
import numpy as np

from ...config import SSLConfig
from ...data.quality import DataQuality
from ...data.tables import load_table
from ...errors import UserError
from ...modalities.image.folder import load_images
from ...sources.named import SOURCES, load_source
from ..data.loading import load_task
from ..data.modality import modality_of_files
from ..options import RecipeOptions, rename_argument_in_errors
from .options import FitOptions


__all__ = ["FitTask", "load_fit_task"]

EACH = 10


@dataclass(frozen=True)
class FitTask:
    """Labeled, unlabeled and held-out examples; any of them may be missing, but not the first two.

    Attributes:
        name: of the data, for a person.
        modality: ``"text"`` or ``"image"``.
        column: of texts or images.
        label_column: of labeled and held-out examples; labels are a ``ClassLabel``.
        labeled: examples.
        unlabeled: examples.
        test: held-out examples.
        label_names: the classes; ``None`` where descriptions tell them.
    """

    name: str
    modality: str
    column: str
    label_column: str
    labeled: datasets.Dataset | None
    unlabeled: datasets.Dataset | None
    test: datasets.Dataset | None
    label_names: tuple[str, ...] | None

    def describe(self) -> str:
        """One line for a person."""
        parts = ((self.labeled, "labeled"), (self.unlabeled, "unlabeled"), (self.test, "held out"))
        counts = [f"{len(rows):,} {name}{self._shares(rows, name)}" for rows, name in parts if rows is not None]
        return f"data: {self.name}: {', '.join(counts)}"

    def _shares(self, rows: datasets.Dataset, name: str) -> str:
        if name != "labeled":
            return ""
        names = rows.features[self.label_column].names
        counts = np.bincount(rows[self.label_column], minlength=len(names))
        if len(names) > EACH:
            return f" ({len(names)} classes, {counts.min()} to {counts.max()} of each)"
        return f" ({', '.join(f'{name} {count}' for name, count in zip(names, counts, strict=True))})"


def load_fit_task(options: FitOptions, described: Mapping[str, Any] | None) -> FitTask:
    """Load a person's own files, or a named source.

    Raises:
        UserError: files, columns, labels or sizes that cannot work.
    """
    if options.source is not None:
        name = options.source.partition(":")[0]
        if options.num_labeled == 0:
            return _names_alone(options, name)
        each = EACH * len(SOURCES[name].label_names) if name in SOURCES else None
        recipe = RecipeOptions(
            source=options.source, num_labeled=options.num_labeled or each, num_unlabeled=options.num_unlabeled,
            num_test=options.num_test, num_validation=0,
        )  # fmt: skip
    elif options.train_file is None:
        return _unlabeled_alone(options, described)
    else:
        recipe = RecipeOptions(
            train_file=options.train_file, unlabeled_file=options.unlabeled_file, num_labeled=options.num_labeled,
            num_unlabeled=options.num_unlabeled,
        )  # fmt: skip
    config = SSLConfig(
        output_dir=options.output_dir, text_column=options.text_column, image_column=options.image_column,
        label_column=options.label_column, seed=options.seed, data_check="off", report_to=[],
    )  # fmt: skip
    data = load_task(recipe, config, needs_unlabeled=False)
    names = tuple(options.label_names or data.label_names)
    test = data.test
    if options.test_file is not None:
        test = _test(options, data.modality, data.column, names)
        quality = DataQuality([data.column], options.label_column, "warn", label_names=names)
        quality.training = {
            name: rows
            for name, rows in (("the labeled examples", data.labeled), ("the unlabeled examples", data.unlabeled))
            if rows is not None
        }
        quality.check_evaluation({"test_file": test})
    label_column = "label" if options.source is not None else options.label_column
    known = None if options.label_names is None else names
    name = f"{data.data_facts.name} ({data.data_facts.origin})"
    return FitTask(name, data.modality, data.column, label_column, data.labeled, data.unlabeled, test, known)


def _unlabeled_alone(options: FitOptions, described: Mapping[str, Any] | None) -> FitTask:
    """Own files without labels: texts, and names of the classes."""
    names = tuple(options.label_names or described or ())
    if not names:
        raise UserError("train_file: got none; without labels, give --label_names or --label_descriptions FILE")
    with rename_argument_in_errors("unlabeled_file", "path"):
        unlabeled = load_table(str(options.unlabeled_file), options.text_column, None)
    unlabeled = _random_subset(unlabeled, options.num_unlabeled, options.seed)
    test = None if options.test_file is None else _test(options, "text", options.text_column, names)
    column, label_column = options.text_column, options.label_column
    return FitTask(str(options.unlabeled_file), "text", column, label_column, None, unlabeled, test, names)


def _names_alone(options: FitOptions, name: str) -> FitTask:
    """A named source without its labels."""
    origin = str(options.source).partition(":")[2] or "auto"
    with rename_argument_in_errors("source", "name", "origin"):
        source = load_source(name, origin)  # type: ignore[arg-type]
    parts = [source.train] if source.unlabeled is None else [source.train, source.unlabeled]
    unlabeled = datasets.concatenate_datasets([part.select_columns([source.column]) for part in parts])
    return FitTask(
        f"{source.name} ({source.origin})",
        source.modality,
        source.column,
        source.label_column,
        None,
        _random_subset(unlabeled, options.num_unlabeled, options.seed),
        _random_subset(source.test, options.num_test, 0),
        source.label_names,
    )


def _test(options: FitOptions, modality: str, column: str, names: tuple[str, ...]) -> datasets.Dataset:
    path = str(options.test_file)
    with rename_argument_in_errors("test_file", "path"):
        if modality == "text":
            rows = load_table(path, column, options.label_column, label_names=names)
        elif modality_of_files(path, "auto") == "image":
            rows = load_images(path, column, options.label_column, label_names=names)
        else:
            raise UserError(f"path: got {path!r}; expected a folder of images, as train_file is")
    return _random_subset(rows, options.num_test, 0)


def _random_subset(rows: datasets.Dataset, count: int | None, seed: int) -> datasets.Dataset:
    return rows if count is None or count >= len(rows) else rows.shuffle(seed=seed).select(range(count))

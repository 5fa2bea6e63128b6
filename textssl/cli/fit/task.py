"""The data of a choice among classifiers: own files, or a named source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import datasets
import numpy as np
import pyarrow as pa

from ...config import SSLConfig
from ...data.class_names import label_ids
from ...data.quality import DataQuality
from ...errors import UserError
from ...fit.inputs import class_labels
from ...fit.parts import Columns, FitParts, read_parts
from ...sources.named import SOURCES, load_source
from ...sources.splits import stratified_rows
from ..data.loading import load_task
from ..data.task_data import TaskData
from ..options import RecipeOptions, rename_argument_in_errors
from .options import FitOptions


__all__ = ["FitTask", "load_fit_task"]

EACH = 10


@dataclass(frozen=True)
class FitTask:
    """Labeled, unlabeled and held-out examples; any of them may be missing, but not the first two.

    Attributes:
        name: of the data, for a person.
        parts: the examples.
        classes: all classes, in order.
        label_names: those that a person named, in order; ``None`` where labels or descriptions tell them.
        labels: class numbers of the labeled examples, ``[N]``; N may be 0.
        test_labels: those of the held-out examples, ``[T]``; T may be 0.
    """

    name: str
    parts: FitParts
    classes: tuple[str, ...]
    label_names: tuple[str, ...] | None
    labels: np.ndarray
    test_labels: np.ndarray

    def counts(self) -> dict[str, int]:
        """Number of labeled examples of each class."""
        found = np.bincount(self.labels, minlength=len(self.classes))
        return {name: int(count) for name, count in zip(self.classes, found, strict=True)}

    def describe(self) -> str:
        """One line for a person."""
        sizes = (
            (self.parts.labeled, f"labeled{self._shares()}"),
            (self.parts.unlabeled, "unlabeled"),
            (self.parts.test, "held out"),
        )
        listed = ", ".join(f"{len(rows):,} {name}" for rows, name in sizes if rows is not None)
        return f"data: {self.name}: {self.parts.modality}s, {listed}"

    def _shares(self) -> str:
        counts = self.counts()
        if len(counts) > EACH:
            return f" ({len(counts)} classes, {min(counts.values())} to {max(counts.values())} of each)"
        return f" ({', '.join(f'{name} {count}' for name, count in counts.items())})"


def load_fit_task(options: FitOptions, described: Mapping[str, Any] | None) -> FitTask:
    """Load a person's own files, or a named source.

    Raises:
        UserError: files, columns, labels or sizes that cannot work.
    """
    if options.source is None:
        name, parts = str(options.train_file or options.unlabeled_file), _own_parts(options, described)
    else:
        name, parts = _named_parts(options)
    return _task(name, parts, options, described)


def _task(name: str, parts: FitParts, options: FitOptions, described: Mapping[str, Any] | None) -> FitTask:
    classes, labels = list(options.label_names or described or ()), np.empty(0, np.int64)
    if parts.labeled is None and parts.test is not None and not classes:
        classes = parts.test.features[parts.label_column].names
    if parts.labeled is not None:
        with rename_argument_in_errors(options.names[0], "labeled"):
            classes, labels = class_labels(parts.labeled, parts.label_column, options.label_names)
    test_labels = np.empty(0, np.int64)
    if parts.test is not None:
        ids = {name: number for number, name in enumerate(classes)}
        test_labels = label_ids(parts.test, parts.label_column, len(ids), ids, options.names[2])
        _check_test(parts, classes, test_labels, options.names[2])
    # Without labels names tell the classes, also those that a named source brings.
    known = classes if parts.labeled is None else options.label_names
    return FitTask(name, parts, tuple(classes), None if known is None else tuple(known), labels, test_labels)


def _check_test(parts: FitParts, classes: list[str], labels: np.ndarray, argument: str) -> None:
    """Warn of held-out examples that training sees."""
    assert parts.test is not None
    quality = DataQuality([parts.column], parts.label_column, "warn", label_names=classes)
    seen = {"the labeled examples": parts.labeled, "the unlabeled examples": parts.unlabeled}
    quality.training = {name: rows for name, rows in seen.items() if rows is not None}
    numbered = parts.test.select_columns([parts.column]).add_column(parts.label_column, pa.array(labels))
    quality.check_evaluation({argument: numbered})


def _own_parts(options: FitOptions, described: Mapping[str, Any] | None) -> FitParts:
    named = options.label_names is not None or described is not None
    if options.train_file is None and not named:
        raise UserError(f"{options.names[0]}: got none; without labels, give --label_names or --label_descriptions")
    first, second = options.train_file or options.unlabeled_file, options.unlabeled_file
    parts = read_parts(
        first,
        second if options.train_file is not None else None,
        options.test_file,
        Columns(options.text_column, options.image_column, options.label_column),
        named=named,
        arguments=options.names if options.train_file is not None else (options.names[1], *options.names[1:]),
    )
    return _fewer(parts, options)


def _fewer(parts: FitParts, options: FitOptions) -> FitParts:
    """As many labeled, unlabeled and held-out examples as were asked for; labels that are not kept leave examples."""
    labeled, unlabeled, source = parts.labeled, parts.unlabeled, parts.unlabeled_source
    if options.num_labeled is not None and labeled is not None:
        names, labels = class_labels(labeled, parts.label_column)
        if not len(names) <= options.num_labeled <= len(labels):
            raise UserError(
                f"num_labeled: got {options.num_labeled}; expected at least {len(names)}, one of each class, and at "
                f"most {len(labels)}, the labeled examples"
            )
        kept = stratified_rows(labels, options.num_labeled, seed=options.seed)
        hidden = labeled.select(np.setdiff1d(np.arange(len(labels)), kept))
        rest = hidden.select_columns([parts.column])
        if options.unlabeled_file is None and len(rest):
            source = hidden if unlabeled is None else None
            unlabeled = rest if unlabeled is None else datasets.concatenate_datasets([unlabeled, rest])
        labeled = labeled.select(kept)
    return FitParts(
        modality=parts.modality,
        column=parts.column,
        label_column=parts.label_column,
        labeled=labeled,
        unlabeled=_random_subset(unlabeled, options.num_unlabeled, options.seed),
        test=_random_subset(parts.test, options.num_test, 0),
        notes=parts.notes,
        unlabeled_source=_random_subset(source, options.num_unlabeled, options.seed),
    )


def _named_parts(options: FitOptions) -> tuple[str, FitParts]:
    """A named source, of whose labels few or none are kept."""
    name = str(options.source).partition(":")[0]
    if options.num_labeled == 0:
        return _names_alone(options, name)
    each = EACH * len(SOURCES[name].label_names) if name in SOURCES else None
    recipe = RecipeOptions(
        source=str(options.source), num_labeled=options.num_labeled or each, num_unlabeled=options.num_unlabeled,
        num_test=options.num_test, num_validation=0,
    )  # fmt: skip
    config = SSLConfig(output_dir=options.output_dir, seed=options.seed, data_check="off", report_to=[])
    data = load_task(recipe, config, needs_unlabeled=False)
    parts = FitParts(
        modality=data.modality,
        column=data.column,
        label_column=config.label_column,
        labeled=data.labeled,
        unlabeled=data.unlabeled,
        test=data.test,
        notes=(),
        unlabeled_source=_with_hidden_labels(data, config.label_column),
    )
    return f"{data.data_facts.name} ({data.data_facts.origin})", parts


def _names_alone(options: FitOptions, name: str) -> tuple[str, FitParts]:
    """A named source without its labels."""
    origin = str(options.source).partition(":")[2] or "auto"
    with rename_argument_in_errors("source", "name", "origin"):
        source = load_source(name, origin)  # type: ignore[arg-type]
    rows = [source.train] if source.unlabeled is None else [source.train, source.unlabeled]
    columns = [source.column, source.label_column]
    known = datasets.concatenate_datasets([part.select_columns(columns) for part in rows])
    known = _random_subset(known, options.num_unlabeled, options.seed)
    parts = FitParts(
        modality=source.modality,
        column=source.column,
        label_column=source.label_column,
        labeled=None,
        unlabeled=None if known is None else known.select_columns([source.column]),
        test=_random_subset(source.test, options.num_test, 0),
        notes=(),
        unlabeled_source=known,
    )
    return f"{source.name} ({source.origin})", parts


def _with_hidden_labels(data: TaskData, label_column: str) -> datasets.Dataset | None:
    """The unlabeled examples of a named source with their classes, for the report alone."""
    if data.unlabeled is None or data.unlabeled_truth is None:
        return data.unlabeled
    names = [data.label_names[number] if number >= 0 else None for number in data.unlabeled_truth]
    return data.unlabeled.add_column(label_column, pa.array(names))


def _random_subset(rows: datasets.Dataset | None, count: int | None, seed: int) -> datasets.Dataset | None:
    if rows is None or count is None or count >= len(rows):
        return rows
    return rows.shuffle(seed=seed).select(range(count))

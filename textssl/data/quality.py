"""What makes labels or scores worth less than their number: leaks, contradictions, repeats, blank texts.

Rows are compared by their inputs, see :mod:`textssl.data.row_keys`.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow.compute as pc
from datasets import ClassLabel, Dataset

from ..errors import UserError
from .class_names import folded, format_names, names_in
from .columns import column_batches, is_string, label_column_of
from .row_keys import DistinctRows, blank_rows, first_rows


__all__ = ["DATA_CHECKS", "DataQuality", "label_findings", "space_findings"]

DATA_CHECKS = ("warn", "strict", "off")

logger = logging.getLogger(__name__)


@dataclass
class DataQuality:
    """The data sets of one run, checked against each other.

    Args:
        columns: The columns of the inputs: one, or two of a pair of texts.
        label_column: The column of labels.
        mode: `"warn"` logs what it finds, `"strict"` refuses it, `"off"` does not look.
        speaks: Whether this process is the one that warns.
        label_names: Names of the classes, for the messages.
    """

    columns: Sequence[str]
    label_column: str
    mode: str
    speaks: bool = True
    label_names: Sequence[str] | None = None
    training: dict[str, Dataset] = field(default_factory=dict)

    def check_training(self, labeled: tuple[str, Dataset], unlabeled: tuple[str, Dataset] | None) -> None:
        """Look at the labeled examples for contradictions and repeats, and at both for blank texts.

        Args:
            labeled: What messages call the data set, and the data set, with class numbers as labels.
            unlabeled: The same of the unlabeled examples.

        Raises:
            UserError: A labeled text is blank, unless the mode is `"off"`; with `"strict"` whatever is found.
        """
        self.training = dict([labeled] if unlabeled is None else [labeled, unlabeled])
        if self.mode == "off":
            return
        argument, dataset = labeled
        blank = blank_rows(dataset, self.columns)
        if len(blank):
            raise UserError(
                f"{argument}: {len(blank)} of {len(dataset)} labeled texts are blank; the first is row {blank[0]}. "
                "Leave them out"
            )
        if not self._looks:
            return
        rows = DistinctRows.of(dataset, self.columns)
        findings = self._contradictions(argument, dataset, rows) + self._repeats(argument, dataset, rows)
        if unlabeled is not None:
            findings += self._blanks(*unlabeled)
        self.report(findings)

    def check_evaluation(self, sets: Mapping[str, Dataset]) -> None:
        """Look at held-out examples for rows that training sees, contradictions and blank texts.

        Args:
            sets: What messages call each data set, and the data set, with class numbers as labels.

        Raises:
            UserError: With `"strict"`, whatever is found.
        """
        if not self._looks:
            return
        findings = []
        for argument, dataset in sets.items():
            rows = DistinctRows.of(dataset, self.columns)
            findings += self._contradictions(argument, dataset, rows) + self._blanks(argument, dataset)
            for name, other in self.training.items():
                findings += self._leaks(argument, rows, name, other)
        self.report(findings)

    def report(self, findings: Sequence[str]) -> None:
        """Log findings, or refuse them.

        Raises:
            UserError: There are some, and the mode is `"strict"`.
        """
        if findings and self.mode == "strict":
            raise UserError("; ".join(findings) + ". Use data_check='warn' to continue")
        if self._looks:
            for finding in findings:
                logger.warning("%s.", finding)

    @property
    def _looks(self) -> bool:
        return self.mode == "strict" or (self.mode == "warn" and self.speaks)

    def _contradictions(self, argument: str, dataset: Dataset, rows: DistinctRows) -> list[str]:
        labels = label_column_of(dataset, self.label_column, argument).to_numpy()
        first = rows.first[rows.codes]
        differs = labels != labels[first]
        if rows.blind or not differs.any():
            return []
        mixed = np.zeros(len(rows.first), bool)
        mixed[rows.codes[differs]] = True
        second = int(np.argmax(differs))
        examples = [f"row {row} ({self._name(labels[row])})" for row in (int(first[second]), second)]
        return [
            f"{argument}: the same {rows.noun} has different labels in {mixed[rows.codes].sum():,} of "
            f"{len(labels):,} rows ({_count(mixed.sum(), rows.noun)}); the first are {examples[0]} and {examples[1]}. "
            "All are kept"
        ]

    def _repeats(self, argument: str, dataset: Dataset, rows: DistinctRows) -> list[str]:
        labels = label_column_of(dataset, self.label_column, argument).to_numpy()
        first = rows.first[rows.codes]
        again = (np.arange(len(labels)) != first) & (labels == labels[first])
        if rows.blind or not again.any():
            return []
        row = int(np.argmax(again))
        return [
            f"{argument}: {again.sum():,} of {len(labels):,} rows are duplicates, the same {rows.noun} with the same "
            f"label; the first is row {row}, as row {first[row]}. Each counts as a label of its own"
        ]

    def _blanks(self, argument: str, dataset: Dataset) -> list[str]:
        blank = blank_rows(dataset, self.columns)
        if not len(blank):
            return []
        return [
            f"{argument}: {len(blank):,} of {len(dataset):,} texts are blank; the first is row {blank[0]}. They are "
            "kept"
        ]

    def _leaks(self, argument: str, rows: DistinctRows, name: str, other: Dataset) -> list[str]:
        if rows.blind:
            return []
        there = first_rows(rows.distinct, other, self.columns)[rows.codes]
        leaked = there >= 0
        if not leaked.any():
            return []
        row = int(np.argmax(leaked))
        return [
            f"{argument}: {leaked.sum():,} of {len(leaked):,} rows are also in {name}; the first is row {row}, as row "
            f"{there[row]} of {name}. Scores on {argument} may be too high"
        ]

    def _name(self, label: Any) -> str:
        return str(label) if self.label_names is None else repr(self.label_names[int(label)])


def label_findings(dataset: Dataset, label_column: str, argument: str) -> list[str]:
    """What is odd about the labels as a person wrote them: white space around them, and classes that look alike.

    Args:
        dataset: N > 0 rows, labels as they were given.
        label_column: The column of labels.
        argument: What the messages call the data set.
    """
    findings = space_findings(dataset, label_column, argument)
    alike: dict[str, list[str]] = {}
    for name in dict.fromkeys(names_in(dataset, label_column, argument) or []):
        alike.setdefault(folded(name), []).append(name)
    for names in alike.values():
        if len(names) > 1:
            findings.append(
                f"{argument}: the classes {format_names(names)} differ by case or spaces only; they are kept as "
                f"{len(names)} classes"
            )
    return findings


def space_findings(dataset: Dataset, label_column: str, argument: str) -> list[str]:
    """The first part of :func:`label_findings`: white space around labels or the names of a `ClassLabel`."""
    feature = dataset.features[label_column]
    if isinstance(feature, ClassLabel) and feature.names:
        spaced = [name for name in feature.names if name != name.strip()]
        message = f"{argument}: spaces around the names of classes are stripped ({format_names(spaced)})"
        return [message] if spaced else []
    found = _spaced_labels(dataset, label_column)
    if found is None:
        return []
    count, row, label = found
    return [
        f"{argument}: spaces around {count:,} labels of column {label_column!r} are stripped; the first is {label!r} "
        f"in row {row}"
    ]


def _spaced_labels(dataset: Dataset, label_column: str) -> tuple[int, int, str] | None:
    """How many string labels have white space around them, and the row and the label of the first."""
    count, first = 0, None
    for start, labels in column_batches(dataset, label_column):
        if not is_string(labels.type):
            return None
        spaced = pc.not_equal(labels, pc.utf8_trim_whitespace(labels))
        found = pc.sum(spaced).as_py() or 0
        if found and first is None:
            row = pc.index(spaced, True).as_py()
            first = (start + row, labels[row].as_py())
        count += found
    return None if first is None else (count, *first)


def _count(number: int, noun: str) -> str:
    head, _, rest = noun.partition(" ")
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {head}s{' ' + rest if rest else ''}"

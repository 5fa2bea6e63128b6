"""Scores of a saved classifier on a labeled file."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from datasets import ClassLabel

from ..errors import UserError
from ..own_data.columns import choose_columns
from ..own_data.streams import RowStream, Window
from ..report.classification_scores import ClassificationScores, classification_scores
from .classifier import Classifier
from .columns import InputColumns, input_columns, new_columns
from .labeling import label_window
from .output import OutputForm, RowWriter, output_form
from .part import OutputPart
from .truth import Truth, spoken_labels


__all__ = ["Evaluation", "EvaluationPlan", "plan_evaluation"]

WINDOW = 2048


@dataclass(frozen=True)
class Evaluation:
    """What was measured.

    Attributes:
        scores: on the rows that have a label and something to classify.
        rows: of the file.
        unlabeled: rows without a label, which are left out.
        empty: labeled rows without a text, or without an image that can be read, which are left out.
        absent: classes of the model without an example.
    """

    scores: ClassificationScores
    rows: int
    unlabeled: int
    empty: int
    absent: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        counts = {"rows": self.rows, "unlabeled": self.unlabeled, "empty": self.empty, "absent": list(self.absent)}
        return {**counts, **self.scores.as_dict()}


@dataclass(frozen=True)
class EvaluationPlan:
    """What will be measured, all of which was checked.

    Attributes:
        notes: what was chosen for a person, in words.
        warnings: what may be wrong.
    """

    classifier: Classifier
    rows: RowStream
    columns: InputColumns
    label_column: str
    feature: Any
    out: tuple[RowWriter, OutputForm, OutputPart] | None
    notes: tuple[str, ...]
    warnings: tuple[str, ...]

    def run(self, show: Callable[[int | None, str], AbstractContextManager[Any]] | None = None) -> Evaluation:
        """Predict and compare.

        Args:
            show: makes a progress bar of a total and a description.

        Raises:
            UserError: a label that the model does not know, a row that cannot be read, or no labeled row.
        """
        truth = Truth(self.label_column, self.classifier.label_names)
        probs, numbers, empty, done = [], [], [], 0
        with nullcontext(None) if show is None else show(self.rows.total, "evaluate") as bar:
            advance = None if bar is None else bar.advance
            size = WINDOW if self.classifier.modality != "image" else self.classifier.batch_size
            for window in self.rows.windows(size):
                # Before they are predicted, so that a mistake in the first rows is told at once.
                numbers += self._numbers(truth, window, done)
                labeled = label_window(self.classifier, window, self.columns.names, done, self.rows.folder, advance)
                if self.out is not None:
                    _write(self.out, window, labeled, done)
                probs.append(labeled.probs)
                empty.append(labeled.empty)
                done += len(window)
        if self.out is not None:
            writer, form, part = self.out
            part.finish(writer.schema if form.kind == "parquet" else None)
        return self._scored(np.concatenate(probs), numbers, np.concatenate(empty))

    def _numbers(self, truth: Truth, window: Window, start: int) -> list[int | None]:
        values = (
            [row.get(self.label_column) for row in window]
            if isinstance(window, list)
            else window.column(self.label_column).to_pylist()
        )
        return [truth.number(label, row) for row, label in enumerate(spoken_labels(values, self.feature), start)]

    def _scored(self, probs: np.ndarray, numbers: list[int | None], empty: np.ndarray) -> Evaluation:
        has_label = np.array([number is not None for number in numbers])
        scored = has_label & ~empty
        if not scored.any():
            raise UserError(f"file: {self.rows.name} has no labeled row to measure on in column {self.label_column!r}")
        labels = np.array([-1 if number is None else number for number in numbers])[scored]
        scores = classification_scores(labels, probs[scored], self.classifier.label_names)
        absent = tuple(
            name for name, each in zip(scores.label_names, scores.per_class, strict=True) if not each.support
        )
        return Evaluation(scores, len(numbers), int((~has_label).sum()), int((has_label & empty).sum()), absent)


def plan_evaluation(
    classifier: Classifier,
    rows: RowStream,
    *,
    column: str | None = None,
    pair_column: str | None = None,
    label_column: str | None = None,
    out: str | None = None,
    overwrite: bool = False,
) -> EvaluationPlan:
    """Check all that can be checked before anything is predicted.

    Args:
        classifier: what is measured.
        rows: from :func:`textssl.own_data.opening.open_rows`, labeled.
        column: of the inputs.
        pair_column: of the second texts of pairs.
        label_column: of the labels; that of the training, or the only one that can be meant.
        out: file of the predictions, if wanted.
        overwrite: replace it if it is there.

    Raises:
        UserError: columns, rows or an output that cannot work.
    """
    columns = input_columns(classifier, rows, column, pair_column)
    label, note = _label_column(classifier, rows, columns, label_column)
    feature = rows.head.features[label]
    declared = {*feature.names} if isinstance(feature, ClassLabel) and feature.names else set()
    strange = ", ".join(map(repr, sorted(declared - {*classifier.label_names})))
    warnings = (f"{rows.name}: the model does not know the class {strange}",) if strange else ()
    form = None if out is None else output_form(out, None, rows)
    rows.scan(columns.names[0])
    if rows.total == 0:
        raise UserError(f"file: {rows.name} holds no rows")
    written = None
    if out is not None and form is not None:
        if out == "-":
            raise UserError("output: got '-'; the scores are printed there, so name a file for the predictions")
        new = new_columns(rows.columns, classifier.label_names, True)
        part = OutputPart(Path(out), None, overwrite)
        written = (RowWriter(form, rows, new, classifier.label_names), form, part)
    notes = [*rows.notes, columns.note, note]
    return EvaluationPlan(classifier, rows, columns, label, feature, written, tuple(notes), warnings)


def _label_column(
    classifier: Classifier, rows: RowStream, columns: InputColumns, given: str | None
) -> tuple[str, str]:
    names = rows.head.column_names
    listed = ", ".join(map(repr, names))
    if given is not None:
        if given not in names:
            raise UserError(f"label_column: got {given!r}; the columns of {rows.name} are {listed}")
        return given, f"labels are read from {given!r}, as you said"
    trained = classifier.place.settings.get("label_column")
    if trained in names:
        return str(trained), f"labels are read from {trained!r}, as in training"
    texts = columns.names[0] if classifier.modality == "text" else None
    images = columns.names[0] if classifier.modality == "image" else None
    found = "label" if "label" in names else None
    if found is None and classifier.modality != "features":
        found = choose_columns(rows.head, f"file: {rows.name}", texts, images).label
    if found is None:
        raise UserError(
            f"label_column: it cannot be told which column of {rows.name} holds the labels; its columns are {listed}"
        )
    return found, f"labels are read from {found!r}"


def _write(out: tuple[RowWriter, OutputForm, OutputPart], window: Window, labeled: Any, done: int) -> None:
    writer, form, part = out
    content = writer.table(window, labeled) if form.kind == "parquet" else writer.content(window, labeled, done == 0)
    part.add(content, len(window), {})

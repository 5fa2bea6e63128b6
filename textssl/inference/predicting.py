"""Prediction for a file of any size, written as it goes."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch

from .. import __version__
from ..errors import UserError
from ..features.encoders import folder_checksum
from ..models.inspection import weights_checksum
from ..own_data.streams import RowStream
from .classifier import Classifier
from .columns import InputColumns, input_columns, new_columns
from .labeling import Labeled, label_window
from .output import OutputForm, RowWriter, output_form
from .part import OutputPart


__all__ = ["PredictionPlan", "Predictions", "plan_prediction"]

# Rows that are read, sorted by length and written at once, of texts; images are large.
WINDOWS = {"text": 2048, "features": 8192}
# Batches of rows from standard input, which somebody may be waiting for.
PIPED = 8
EMPTY = ""


class _Progress(Protocol):
    def advance(self, count: int = 1) -> None: ...


Show = Callable[[int | None, str], AbstractContextManager[_Progress]]


@dataclass(frozen=True)
class Predictions:
    """What was written.

    Attributes:
        output: the file, or ``-``.
        rows: how many.
        counts: predictions of each class, by name.
        empty: rows without a text, or without an image that can be read; their label is empty.
        resumed: rows that were there from a call before.
        seconds: of this call.
    """

    output: str
    rows: int
    counts: dict[str, int]
    empty: int
    resumed: int
    seconds: float


@dataclass(frozen=True)
class PredictionPlan:
    """What will be done, all of which was checked.

    Attributes:
        notes: what was chosen for a person, in words.
    """

    classifier: Classifier
    rows: RowStream
    columns: InputColumns
    out: str
    form: OutputForm
    writer: RowWriter
    part: OutputPart | None
    notes: tuple[str, ...]

    def run(self, show: Show | None = None) -> Predictions:
        """Predict and write.

        Args:
            show: makes a progress bar of a total and a description.

        Raises:
            UserError: a row that cannot be read.
        """
        begin = time.monotonic()
        resumed = 0 if self.part is None else self.part.done
        tallies: dict[str, int] = {} if self.part is None else dict(self.part.tallies)
        done, total = resumed, self.rows.total
        left = None if total is None else total - resumed
        with nullcontext(_Quiet()) if show is None else show(left, "predict") as bar:
            for window in self.rows.windows(self._window_size(), resumed):
                labeled = label_window(
                    self.classifier, window, self.columns.names, done, self.rows.folder, bar.advance
                )
                counted = _counted(labeled, self.classifier.label_names)
                self._write(window, labeled, done, counted)
                done += len(window)
                tallies = {name: tallies.get(name, 0) + counted.get(name, 0) for name in {**tallies, **counted}}
        if self.part is not None:
            self.part.finish(self.writer.schema if self.form.kind == "parquet" else None)
        empty = tallies.pop(EMPTY, 0)
        counts = {name: tallies.get(name, 0) for name in self.classifier.label_names}
        return Predictions(self.out, done, counts, empty, resumed, time.monotonic() - begin)

    def _window_size(self) -> int:
        size = WINDOWS.get(self.classifier.modality, self.classifier.batch_size)
        if self.rows.total is None:
            size = min(size, PIPED * self.classifier.batch_size)
        return max(size, self.classifier.batch_size)

    def _write(self, window: Any, labeled: Labeled, done: int, counted: dict[str, int]) -> None:
        if self.part is None:
            sys.stdout.buffer.write(self.writer.content(window, labeled, first=done == 0))
            sys.stdout.buffer.flush()
            return
        table = self.form.kind == "parquet"
        content = self.writer.table(window, labeled) if table else self.writer.content(window, labeled, done == 0)
        self.part.add(content, len(window), counted)


def plan_prediction(
    classifier: Classifier,
    rows: RowStream,
    out: str,
    *,
    column: str | None = None,
    pair_column: str | None = None,
    form: str | None = None,
    probabilities: bool = False,
    overwrite: bool = False,
) -> PredictionPlan:
    """Check all that can be checked before anything is predicted, and find what an interrupted call has left.

    Args:
        classifier: what predicts.
        rows: from :func:`textssl.own_data.opening.open_rows`.
        out: the file to write, its form by its suffix; ``-`` is standard output.
        column: of the inputs.
        pair_column: of the second texts of pairs.
        form: of standard output.
        probabilities: write those of all classes.
        overwrite: replace an output that is there.

    Raises:
        UserError: columns, rows or an output that cannot work.
    """
    form_of_out = output_form(out, form, rows)
    columns = input_columns(classifier, rows, column, pair_column)
    new = new_columns(rows.columns, classifier.label_names, probabilities)
    rows.scan(columns.names[0])
    if rows.total == 0:
        raise UserError(f"file: {rows.name} holds no rows")
    new = new_columns(rows.columns, classifier.label_names, probabilities)
    part = None
    if out != "-" and Path(out).exists() and Path(rows.name).exists() and Path(out).samefile(rows.name):
        raise UserError(f"output: got {out!r}, which is the input; choose another file")
    if out != "-":
        job = _job(classifier, rows, columns, form_of_out, probabilities)
        part = OutputPart(Path(out), job, overwrite)
    writer = RowWriter(form_of_out, rows, new, classifier.label_names)
    notes = [*rows.notes, columns.note, new.note]
    if writer.left_out:
        notes.append(f"column {writer.left_out[0]!r} holds bytes, and is left out; a .parquet output keeps it")
    return PredictionPlan(
        classifier, rows, columns, out, form_of_out, writer, part, tuple(note for note in notes if note)
    )


def _job(
    classifier: Classifier, rows: RowStream, columns: InputColumns, form: OutputForm, probabilities: bool
) -> dict[str, Any]:
    """All that decides the content of the output."""
    return {
        "input": rows.fingerprint,
        "model": _checksum(classifier),
        "classes": list(classifier.label_names),
        "columns": list(columns.names),
        "format": [form.kind, form.packed],
        "probabilities": probabilities,
        "batch_size": classifier.batch_size,
        "textssl": __version__,
    }


def _checksum(classifier: Classifier) -> str:
    if isinstance(classifier.model, torch.nn.Module):
        return weights_checksum(classifier.model)
    return folder_checksum(classifier.place.folder or Path())


def _counted(labeled: Labeled, names: tuple[str, ...]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for label in labeled.labels(names):
        counts[EMPTY if label is None else label] = counts.get(EMPTY if label is None else label, 0) + 1
    return counts


class _Quiet:
    def advance(self, count: int = 1) -> None:
        """Show nothing."""

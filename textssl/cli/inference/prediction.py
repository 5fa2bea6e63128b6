"""``textssl predict`` as a program: what was chosen is said first, then the rows are written, then counted."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict

from ...errors import UserError
from ...inference.classifier import Classifier
from ...inference.output import FORMATS
from ...inference.predicting import Predictions, plan_prediction
from ...own_data.opening import open_rows
from ...own_data.streams import RowStream
from ..console import print_json, progress, say
from .options import InferenceOptions, flags_in_errors, load_model


__all__ = ["open_input", "run_predict"]


def run_predict(options: InferenceOptions) -> None:
    """Predict for a file.

    Raises:
        UserError: a model, a file, columns or an output that cannot work.
    """
    if options.json and options.output == "-":
        raise UserError("json: got --json with standard output, which the rows take; name a file by --output")
    rows = open_input(options)
    classifier = load_model(options)
    with flags_in_errors(options):
        plan = plan_prediction(
            classifier,
            rows,
            str(options.output),
            column=options.column,
            pair_column=options.text_pair_column,
            form=options.format,
            probabilities=options.probabilities,
            overwrite=options.overwrite,
        )
    for note in plan.notes:
        say(f"{rows.name}: {note.removeprefix(f'{rows.name}: ')}")
    if plan.part is not None and plan.part.done:
        say(f"{options.output}: {plan.part.done:,} rows are there from the call before")
    with _closed_pipe_is_no_error():
        done = plan.run(progress)
    _report(done, classifier)
    if options.json:
        print_json(asdict(done))


def open_input(options: InferenceOptions) -> RowStream:
    """The rows that a person named."""
    if options.format is not None and options.format not in FORMATS:
        raise UserError(f"format: got {options.format!r}; allowed: {', '.join(FORMATS)}")
    if options.format is not None and "-" not in (options.file, options.output):
        raise UserError(
            f"format: got {options.format!r}; it is for standard input and output, and files say theirs by the suffix"
        )
    return open_rows(options.file, options.format, options.text_column)


@contextmanager
def _closed_pipe_is_no_error() -> Iterator[None]:
    """Who reads the rows has read enough, as ``head`` does."""
    try:
        yield
    except BrokenPipeError:
        # Python would try to write what is left when it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)


def _report(done: Predictions, classifier: Classifier) -> None:
    if done.empty:
        lacking = "image that can be read" if classifier.modality == "image" else "text"
        say(f"warning: {done.empty:,} of {done.rows:,} rows have no {lacking}; their label is empty")
    labeled = max(done.rows - done.empty, 1)
    found = [(name, count) for name, count in done.counts.items() if count]
    most = sorted(found, key=lambda item: -item[1])[:10]
    shares = ", ".join(f"{name} {count:,} ({100 * count / labeled:.0f} %)" for name, count in most)
    rate = (done.rows - done.resumed) / max(done.seconds, 1e-9)
    place = "standard output" if done.output == "-" else done.output
    told = f"{place}: {done.rows:,} rows in {done.seconds:,.1f} s ({rate:,.0f} a second)"
    say(f"{told}: {shares}" if shares else told)

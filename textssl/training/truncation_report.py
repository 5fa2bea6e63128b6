"""How many texts of a run are cut, and by how much: said before training."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import datasets
import numpy as np
from transformers import TrainerCallback

from ..modalities.text.encoding import TextEncoder, contents_of
from .callback_protocols import ReportedRun


__all__ = ["Excess", "TruncationReport", "excess_of", "report_once", "report_truncation"]

logger = logging.getLogger(__name__)

# Enough to know a share to within three points, and tokenised in a second or two.
SAMPLE_ROWS = 1000
SAMPLE_CHARACTERS = 4_000_000
# More than this share of cut texts is a warning.
MANY = 0.1
LOST = {"end": "lose their end", "start": "lose their start", "head_tail": "lose their middle"}


@dataclass(frozen=True)
class Excess:
    """How far the texts of a data set exceed the most tokens of a text.

    Attributes:
        rows: of the data set.
        sampled: how many of them were tokenised.
        truncated: how many of these are longer.
        median: of their tokens too many; 0 where none is longer.
    """

    rows: int
    sampled: int
    truncated: int
    median: int

    @property
    def share(self) -> float:
        """Of the texts that were tokenised."""
        return self.truncated / self.sampled if self.sampled else 0.0


def excess_of(dataset: datasets.Dataset, encode: TextEncoder, columns: list[str]) -> Excess:
    """Tokenise at most a thousand rows, evenly spaced, and count what is beyond ``encode.max_length``.

    Args:
        dataset: N rows.
        encode: of the run.
        columns: of the texts.
    """
    chosen = np.unique(np.linspace(0, len(dataset) - 1, min(SAMPLE_ROWS, len(dataset))).astype(np.int64))
    rows = dataset.select_columns(columns).select(chosen)[:]
    # Of books a few tell as much.
    step = max(1, sum(len(text) for column in columns for text in rows[column]) // SAMPLE_CHARACTERS)
    lengths = encode.full_lengths(contents_of(rows, columns)[::step])
    beyond = lengths[lengths > encode.max_length] - encode.max_length
    return Excess(len(dataset), len(lengths), len(beyond), int(np.median(beyond)) if len(beyond) else 0)


def report_truncation(run: ReportedRun) -> None:
    """Log the share of truncated texts of each data set of a trainer: a warning where it is above a tenth."""
    encode = run.data_collator.encode
    if not isinstance(encode, TextEncoder) or run.args.process_index != 0:
        return
    columns, truncated = run.modality.columns(run.args), 0
    for name, dataset in _datasets(run):
        excess = excess_of(dataset, encode, columns)
        truncated += excess.truncated
        level = logging.WARNING if excess.share > MANY else logging.INFO
        texts = "texts" if len(columns) == 1 else "pairs of texts"
        logger.log(level, "%s", _sentence(name, texts, excess, run.args))
    if truncated and run.args.truncation == "head_tail":
        logger.warning(
            "truncation: got 'head_tail'; transformers' own text-classification pipeline cuts the end of long texts: "
            "load the saved model with pipeline(..., pipeline_class=HeadTailPipeline), from textssl.pipelines"
        )


def report_once(trainer: Any) -> None:
    """Report now, and no more where training begins; not for a trainer whose report was taken away."""
    if any(isinstance(callback, TruncationReport) for callback in trainer.callback_handler.callbacks):
        report_truncation(trainer)
    trainer.remove_callback(TruncationReport)


class TruncationReport(TrainerCallback):
    """Reports once, where training begins.

    Args:
        run: whose data are looked at.
    """

    def __init__(self, run: Any) -> None:
        self.run: Any = run

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Report, unless that was done."""
        if self.run is not None:
            report_truncation(self.run)
        self.run = None


def _datasets(run: ReportedRun) -> Iterator[tuple[str, datasets.Dataset]]:
    yield "train_dataset", run.train_dataset.labeled
    if run.train_dataset.unlabeled is not None:
        yield "unlabeled_dataset", run.train_dataset.unlabeled
    held_out = run.eval_dataset
    if isinstance(held_out, Mapping):
        yield from ((f"eval_dataset[{name!r}]", part) for name, part in held_out.items())
    elif held_out is not None:
        yield "eval_dataset", held_out


def _sentence(name: str, texts: str, excess: Excess, args: Any) -> str:
    whole = f"of its {excess.rows:,} {texts}"
    counted = whole if excess.sampled == excess.rows else f"of a sample of {excess.sampled:,} {whole}"
    if not excess.truncated:
        return f"{name}: none {counted} is longer than max_length {args.max_length}"
    return (
        f"{name}: {100 * excess.share:.3g} % {counted} are longer than max_length {args.max_length} and "
        f"{LOST[args.truncation]} (truncation={args.truncation!r}): in the median {excess.median:,} tokens"
    )

"""Pseudo-labels of a file: a trained classifier labels its texts, and the rows that are sure enough are kept."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from datasets import Dataset

from ..data.predicted_columns import CONFIDENCE, LABEL, check_new_columns, predicted_columns, predicted_name
from ..data.tables import take_rows
from ..errors import UserError
from ..jobs import Shards, ShowProgress, open_shards, run_job
from ..retrieval import ScoreJob
from ..self_training.selection import BALANCES, NEED_A_PRIOR, Selection, check_selection, select_pseudo_labels
from ..training.distribution_alignment import Alignment, alignment_prior, parsed_alignment
from .inputs import TextRows, read_text_rows
from .outputs import OutputFile
from .processes import joined_processes


__all__ = ["PseudoLabeled", "SelectionSettings", "pseudo_label_file"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class SelectionSettings:
    """Which rows are kept; see :func:`textssl.self_training.selection.select_pseudo_labels`.

    Args:
        threshold: least confidence of a kept row.
        per_class: most rows of a class, the most confident.
        total: most rows of all.
        balance: of the classes: none, uniform, duplicate, or shares such as ``0.3,0.7``.
        seed: of copies.

    Raises:
        UserError: a value out of range.
    """

    threshold: float = 0.0
    per_class: int | None = None
    total: int | None = None
    balance: str = "none"
    seed: int = 0
    shares: Alignment = field(init=False)

    def __post_init__(self) -> None:
        if self.balance in NEED_A_PRIOR:
            raise UserError(
                f"balance: got {self.balance!r}, which needs labeled examples; give the shares, or 'uniform'"
            )
        words = [word for word in BALANCES if word not in NEED_A_PRIOR]
        object.__setattr__(self, "shares", parsed_alignment(self.balance, "balance", words))
        check_selection(threshold=self.threshold, per_class=self.per_class, total=self.total, balance=self._word)

    @property
    def _word(self) -> str:
        return self.shares if isinstance(self.shares, str) else "labeled"

    def prior(self, label_names: list[str]) -> Any:
        """Shares of the classes that were given; UserError if they are of others."""
        return alignment_prior(self.shares, [1 / len(label_names)] * len(label_names), label_names, "balance")

    def select(self, probs: np.ndarray, label_names: list[str]) -> Selection:
        """Choose among ``[N, C]`` probabilities."""
        return select_pseudo_labels(
            probs,
            threshold=self.threshold,
            per_class=self.per_class,
            total=self.total,
            balance=self._word,
            prior=self.prior(label_names),
            seed=self.seed,
        )


@dataclass(frozen=True)
class PseudoLabeled:
    """What was written.

    Attributes:
        path: of the file.
        rows: how many the input had.
        blank: how many of them had no text, and are left out.
        kept: rows of the file.
        label_column: its column of labels.
        label_names: classes of the teacher.
        selection: how many there were and are of each class.
    """

    path: Path
    rows: int
    blank: int
    kept: int
    label_column: str
    label_names: list[str]
    selection: Selection

    def describe(self) -> str:
        """Lines for a person: rows, and how many of each class."""
        left = f"; {self.blank:,} without a text are left out" if self.blank else ""
        lines = [f"{self.path}: {self.kept:,} rows of {self.rows:,}{left}", self.selection.describe(self.label_names)]
        return "\n".join(lines)

    def facts(self) -> dict[str, Any]:
        """What a script may want, for JSON."""
        counts = self.selection.counts.tolist()
        return {
            "output": str(self.path),
            "rows": self.rows,
            "without_text": self.blank,
            "kept": self.kept,
            "label_column": self.label_column,
            "classes": dict(zip(self.label_names, counts, strict=True)),
            "mean_confidence": float(self.selection.confidence.mean()),
        }


def pseudo_label_file(
    teacher: str | os.PathLike[str],
    path: str | os.PathLike[str],
    output: OutputFile,
    selection: SelectionSettings | None = None,
    *,
    text_column: str | None = None,
    text_pair_column: str | None = None,
    max_length: int | None = None,
    truncation: str | None = None,
    encoder: str | None = None,
    batch_size: int = 32,
    probabilities: bool = True,
    rows_per_shard: int = 4096,
    engine: str = "local",
    workers: int = 2,
    progress: bool | ShowProgress = True,
) -> PseudoLabeled | None:
    """Label the texts of a file and write the rows that are kept, with the columns of the input.

    The new columns are ``label``, the name of a class; ``confidence``; and ``probability_NAME`` of each class. So the
    file is labeled data for any method, and unlabeled data with a teacher's probabilities for ``distillation``,
    ``self_training`` and ``noisy_student``. Rows without a text are left out. A job that was killed goes on with the
    same call. Several processes share the work.

    Args:
        teacher: see :class:`textssl.retrieval.ScoreJob`, as for ``max_length``, ``truncation``, ``encoder`` and
            ``batch_size``.
        path: the file.
        output: where to write.
        selection: which rows are kept; all by default.
        text_column: of texts; by default that of the training, or the only one that fits.
        text_pair_column: of second texts; by default that of the training.
        max_length: most tokens of a text.
        truncation: what a longer text loses.
        encoder: of a teacher on features.
        batch_size: texts per pass.
        probabilities: write the columns ``probability_NAME``.
        rows_per_shard: rows that a kill can lose.
        engine: see :func:`textssl.jobs.run_job`.
        workers: see :func:`textssl.jobs.run_job`.
        progress: see :func:`textssl.jobs.run_job`.

    Returns:
        What was written; ``None`` on other processes than the first.

    Raises:
        UserError: input that cannot work; a threshold that keeps nothing; parts of another job.
    """
    selection = selection or SelectionSettings()
    state = joined_processes()
    job = ScoreJob(teacher, max_length=max_length, truncation=truncation, batch_size=batch_size, encoder=encoder)
    trained = job.place.settings
    given = read_text_rows(
        path, text_column, text_pair_column or trained.get("text_pair_column"), trained.get("text_column")
    )
    job.read(*given.columns)
    names = job.label_names
    check_new_columns(given.dataset.column_names, names, probabilities=probabilities)
    selection.prior(names)
    shards = run_job(
        job,
        given.texts(),
        output.parts,
        columns=job.columns,
        rows_per_shard=rows_per_shard,
        engine=engine,
        workers=workers,
        rank=state.process_index,
        world=state.num_processes,
        progress=progress if state.is_main_process else False,
        description="label",
    )
    state.wait_for_everyone()
    if not state.is_main_process:
        return None
    return _written(given, shards or open_shards(output.parts), names, selection, output, probabilities)


def _written(
    given: TextRows,
    shards: Shards,
    names: list[str],
    settings: SelectionSettings,
    output: OutputFile,
    probabilities: bool,
) -> PseudoLabeled:
    probs = shards.column("probs")
    selection = settings.select(probs, names)
    taken = given.dataset.column_names
    columns: dict[str, pa.Array] = predicted_columns(taken, probs[selection.rows], names, probabilities=probabilities)
    kept: Dataset = take_rows(given.dataset, given.spoken[selection.rows], columns)
    output.write(kept)
    for old in (LABEL, CONFIDENCE):
        if old in taken:
            logger.warning("%s has a column %r; the new one is %r", given.path, old, predicted_name(old, taken))
    return PseudoLabeled(
        path=output.path,
        rows=len(given.dataset),
        blank=int(given.blank.sum()),
        kept=len(kept),
        label_column=predicted_name(LABEL, taken),
        label_names=names,
        selection=selection,
    )

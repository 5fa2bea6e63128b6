"""What decides the rounds of a self-training, and the data set of a round as it is written."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from transformers import PreTrainedModel

from ..data.files import content_checksum
from ..data.predicted_columns import PROBABILITY, predicted_columns
from ..data.tables import take_rows
from ..models.inspection import weights_checksum
from ..training.resume_rules import SAID
from ..training.run_record import decisive_settings, processor_checksum
from .selection import Selection


__all__ = ["read_round", "round_examples", "round_settings"]

# The number of an example among the unlabeled ones.
ROW = "row"

# Of what an ordinary run may change with a warning, rounds may not: students before the last are not trained longer.
LENGTH = {"max_steps", "num_train_epochs"}


def round_settings(trainer: Any, teacher: PreTrainedModel | None) -> dict[str, Any]:
    """What decides all data sets: a run that goes on must have it in common.

    Args:
        trainer: a :class:`.RoundsTrainer` with the unlabeled examples that are to be labeled.
        teacher: of the first round, unless it is trained.
    """
    args, data, columns = trainer.args, trainer.train_dataset, trainer.modality.columns(trainer.args)
    return {
        "method": type(trainer).__name__,
        "rounds": args.num_rounds,
        "labeled": content_checksum(data.labeled, [*columns, args.label_column]),
        "unlabeled": content_checksum(data.unlabeled, columns),
        "teacher": "trained" if teacher is None else f"sha256:{weights_checksum(teacher)}",
        "processes": args.world_size,
        "processing_class": processor_checksum(trainer.processing_class),
        # The settings of the run come last: they have own shares of the classes, where a selection has a word.
        **args.selection(1, trainer.objective.task.num_labels, len(data.unlabeled)),
        **{name: value for name, value in decisive_settings(args).items() if name not in SAID or name in LENGTH},
    }


def round_examples(
    shown: datasets.Dataset, chosen: Selection, probs: np.ndarray, names: list[str]
) -> datasets.Dataset:
    """The data set of a round as it is written, for a person to read.

    Args:
        shown: the unlabeled examples; without columns where they can only be identified by their rows, as images.
        chosen: which of them were kept.
        probs: [N, C] the teacher's probabilities of all.
        names: of the classes.
    """
    rows = chosen.rows
    columns = {ROW: pa.array(rows), **predicted_columns(shown.column_names, probs[rows], names)}
    if not shown.column_names:
        return datasets.Dataset(pa.table(columns))
    return take_rows(shown, rows, columns)


def read_round(path: Path, names: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Rows [K] and probabilities [K, C] in float32 of what :func:`round_examples` gave.

    Args:
        path: of the Parquet file.
        names: of the classes.
    """
    # Whole: a name with a dot in it would be taken for a field of a field.
    table = pq.read_table(path)
    return table[ROW].to_numpy(), np.stack([table[f"{PROBABILITY}{name}"].to_numpy() for name in names], axis=1)

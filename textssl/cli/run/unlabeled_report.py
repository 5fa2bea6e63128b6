"""What the model that a run gives back says of the unlabeled examples: shares, confidence, which to label next."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ...data.plain_rows import content_keys, csv_columns
from ...report.items import item_of
from ...report.parts import Uncertain
from ...report.uncertain import most_uncertain, write_label_next
from ...training.trainer import SSLTrainer
from ..data.task_data import TaskData


__all__ = ["UnlabeledPredictions", "label_next", "predict_unlabeled"]

# A network that is slow on this machine predicts fewer.
MOST, SLOW_MOST = 20_000, 1_000
WANTED = 50
SHOWN = 20


@dataclass(frozen=True)
class UnlabeledPredictions:
    """Predictions for unlabeled examples, or for some of them, drawn at random.

    Attributes:
        rows: their numbers ``[n]``.
        probs: probabilities ``[n, C]``.
        truth: class numbers ``[n]``, -1 where nobody knows; ``None`` where all is unknown.
    """

    rows: np.ndarray
    probs: np.ndarray
    truth: np.ndarray | None

    def to_dict(self, classes: int) -> dict[str, Any]:
        """Figures of them, for the results of a stage."""
        predicted = self.probs.argmax(1)
        found: dict[str, Any] = {
            "count": len(self.rows),
            "shares": (np.bincount(predicted, minlength=classes) / len(predicted)).tolist(),
        }
        if self.truth is not None and (self.truth >= 0).any():
            known = self.truth >= 0
            counts = np.bincount(self.truth[known], minlength=classes)
            found["true_shares"] = (counts / counts.sum()).tolist()
            found["accuracy"] = float((predicted == self.truth)[known].mean())
        return found


def predict_unlabeled(trainer: SSLTrainer, data: TaskData) -> UnlabeledPredictions | None:
    """Predict the unlabeled examples with the model that is evaluated; every process must call it.

    Args:
        trainer: after training.
        data: of the task; ``None`` is returned where it has no unlabeled examples.
    """
    if data.unlabeled is None or not len(data.unlabeled):
        return None
    slow = trainer.args.device.type == "cpu" and trainer.modality.name != "features"
    size = min(len(data.unlabeled), SLOW_MOST if slow else MOST)
    rows = np.sort(np.random.default_rng(0).permutation(len(data.unlabeled))[:size])
    # A prediction keeps whatever was logged before it.
    logits = trainer.predict(data.unlabeled.select(rows), metric_key_prefix="unlabeled").predictions
    if len(logits) != len(rows):
        # Images that could not be read were left out.
        return None
    probs = torch.as_tensor(logits).float().softmax(-1).numpy()
    truth = data.unlabeled_truth
    return UnlabeledPredictions(rows, probs, None if truth is None else truth[rows])


def label_next(found: UnlabeledPredictions, data: TaskData, folder: Path, numbered: bool) -> tuple[Uncertain, ...]:
    """Write ``label_next.csv`` of the most uncertain examples, and return the first of them for the report.

    What is labeled already is left out, and of equal examples all but one.

    Args:
        found: what was predicted.
        data: of the task.
        folder: of the run.
        numbered: whether the numbers of rows are those of a person's file.
    """
    assert data.unlabeled is not None
    known = set(content_keys(data.labeled, data.columns))
    candidates = data.unlabeled.select(found.rows)
    keys = content_keys(candidates, data.columns)
    fresh = np.array([place for place, key in enumerate(keys) if key not in known], dtype=np.int64)
    if not len(fresh):
        return ()
    chosen = fresh[most_uncertain(found.probs[fresh], WANTED, [keys[place] for place in fresh])]
    probs = found.probs[chosen]
    suggested = [data.label_names[number] for number in probs.argmax(1)]
    source = data.unlabeled if data.unlabeled_source is None else data.unlabeled_source
    table = source.select(found.rows[chosen])
    if data.unlabeled_source is None:
        table = table.select_columns(data.columns)
    # Images without a path are known by their place alone.
    write_label_next(folder, csv_columns(table) or {"row": found.rows[chosen].tolist()}, suggested, probs.max(1))
    return tuple(
        Uncertain(
            item=item_of(_content(candidates[int(place)], data)),
            predicted=label,
            confidence=float(share),
            row=int(found.rows[place]) if numbered else None,
        )
        for place, label, share in list(zip(chosen, suggested, probs.max(1), strict=True))[:SHOWN]
    )


def _content(example: dict[str, Any], data: TaskData) -> Any:
    parts = [example[column] for column in data.columns]
    return parts[0] if len(parts) == 1 else tuple(parts)

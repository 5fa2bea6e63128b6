"""What becomes of the unlabeled examples in a training: their predicted classes and their pseudo-labels, over steps.

A report needs it, no training does: a recipe adds the callback. It draws from no random number generator, and what
it finds goes into ``trainer.state.log_history``, so that a run that is resumed has the whole of it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import TrainerCallback

from ..forward.device_transfer import inputs_to_device
from ..state import PseudoLabelCounts
from .callback_protocols import RecordedRun


__all__ = ["PREDICTIONS", "PSEUDO_LABELS", "THRESHOLDS", "UnlabeledRecord"]

# Keys of entries of the history.
PREDICTIONS, PSEUDO_LABELS, THRESHOLDS = "unlabeled_predictions", "pseudo_labels", "class_thresholds"
# Enough for shares of classes to a few points; of a network that is slow on this machine, fewer.
SAMPLE, SLOW_SAMPLE = 500, 200


class UnlabeledRecord(TrainerCallback):
    """Adds entries to the history of a run with unlabeled data.

    With each log of the loss, ``pseudo_labels`` since the last one, of a method that makes any: ``shares`` of the
    classes among those that counted, ``kept_share`` and ``count`` of all, and where the truth is known ``accuracy``
    and, for each class, ``per_class`` of those that counted. With each evaluation, ``unlabeled_predictions``: the
    ``shares`` of the classes that the evaluated model predicts for a fixed sample of the unlabeled examples, their
    ``count``, and ``accuracy`` where the truth is known; and ``class_thresholds`` of a method with such.

    Args:
        run: the trainer.
        truth: class number of each unlabeled example ``[N]``, -1 where nobody knows. No training looks at it.
    """

    run: RecordedRun

    def __init__(self, run: Any, truth: np.ndarray | None = None) -> None:
        self.run = run
        unlabeled = run.train_dataset.unlabeled
        count = len(unlabeled)
        self.truth = truth if truth is not None and len(truth) == count and (truth >= 0).any() else None
        slow = run.args.device.type == "cpu" and run.modality.name != "features"
        size = min(count, SLOW_SAMPLE if slow else SAMPLE)
        # The same rows in each run on these data, so that runs and steps compare; of like length together.
        chosen = np.random.default_rng(0).permutation(count)[:size]
        self.sample = chosen[np.argsort(-run.modality.lengths(unlabeled.select(chosen), run.args), kind="stable")]
        # Methods that train in rounds have other unlabeled examples later.
        self.examples = unlabeled.select(self.sample)

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Begin to count: the objective is made anew before some trainings."""
        truth = None if self.truth is None else torch.from_numpy(self.truth)
        self.run.objective.pseudo_label_counts = PseudoLabelCounts(self.run.objective.task.num_labels, truth)

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
        """Read the counts where the terms of the loss are read, so that the device is waited for once."""
        counts = self.run.objective.pseudo_label_counts
        if counts is None or "loss" not in (logs or {}):
            return
        found = counts.take(args.device).tolist()
        if sum(found[0]):
            self._add(state, PSEUDO_LABELS, _pseudo_label_entry(*(np.array(row) for row in found)))

    def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Predict the sample with the model that was evaluated."""
        if any(PREDICTIONS in row for row in state.log_history if row["step"] == state.global_step):
            return
        predicted = self._predicted()
        shares = _shares(np.bincount(predicted, minlength=self.run.objective.task.num_labels))
        entry: dict[str, Any] = {"shares": shares}
        entry["count"] = len(predicted)
        if self.truth is not None:
            truth = self.truth[self.sample]
            known = truth >= 0
            entry["accuracy"] = float((predicted == truth)[known].mean()) if known.any() else None
        self._add(state, PREDICTIONS, entry)
        policy = getattr(self.run.objective, "thresholds", getattr(self.run.objective, "peer_thresholds", None))
        thresholds: Tensor | None = None if policy is None else policy.class_thresholds()
        if thresholds is not None and len(thresholds) > 1:
            self._add(state, THRESHOLDS, thresholds.tolist())

    def _predicted(self) -> np.ndarray:
        """Class numbers of the sample; each process finds all, without a word to the others."""
        run, size = self.run, self.run.args.per_device_eval_batch_size
        forward = run.forward_for(run.unwrapped_model)
        found = []
        with torch.no_grad():
            for start in range(0, len(self.examples), size):
                rows = range(start, min(start + size, len(self.examples)))
                inputs = run.data_collator.encoded([self.examples[row] for row in rows])
                inputs = inputs_to_device(inputs, run.args.device)
                (logits,) = forward(inputs, model=run.evaluated_model, dropout=False)
                found.append(logits.argmax(-1))
        predicted: np.ndarray = torch.cat(found).cpu().numpy()
        return predicted

    def _add(self, state: Any, name: str, entry: Any) -> None:
        state.log_history.append({name: entry, "step": state.global_step})


def _pseudo_label_entry(given: np.ndarray, kept: np.ndarray, known: np.ndarray, right: np.ndarray) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "shares": _shares(kept),
        "kept_share": float(kept.sum() / given.sum()),
        "count": int(given.sum()),
    }
    if known.sum():
        entry["accuracy"] = float(right.sum() / known.sum())
        entry["per_class"] = [float(r / k) if k else None for r, k in zip(right, known, strict=True)]
    return entry


def _shares(counts: np.ndarray) -> list[float] | None:
    """Shares of the classes; ``None`` of none."""
    total = counts.sum()
    return (counts / total).tolist() if total else None

"""Scores of every example by the student as it is, for methods that look at the whole data set once an epoch.

Evaluation mode, no augmentation, and no draw from any random number generator: a run with scores sees the same
batches, views and dropout as one without.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader
from tqdm.auto import tqdm

from ..data.sampler import LABELED, UNLABELED, Key
from ..data.two_stream import Item
from ..data.views import ViewCollator
from ..forward.base import Forward
from ..forward.device_transfer import inputs_to_device
from ..forward.inside import last_linear
from ..objective import Objective, Scores
from ..state import all_sum, rank, world_size
from .callback_protocols import ScoredRun


__all__ = ["check_scored", "is_due", "score"]

# More rows than this have a progress bar.
BAR = 2_000


def is_due(objective: Objective, step: int, begins: int, steps_per_epoch: int) -> bool:
    """Whether ``objective`` is to be told the scores before ``step``: a function of the step alone.

    Args:
        objective: the method.
        step: number of steps done.
        begins: the method's first step, after the warm start.
        steps_per_epoch: optimizer steps of a pass over the data.
    """
    if objective.scored is None or step < begins:
        return False
    return step == begins or step % objective.score_every(steps_per_epoch) == 0


def check_scored(run: ScoredRun) -> None:
    """Raise UserError unless the model has a pooled vector, where the method will ask for it after a warm start."""
    if run.objective.scored == "features":
        (batch,) = _loader(run, np.zeros(1, dtype=np.int64), workers=0)
        inputs = inputs_to_device(batch, run.args.device)
        del inputs["rows"]
        with torch.no_grad():
            student = _student(run)
            _values(run, student, [student.model], inputs)


@torch.no_grad()
def score(run: ScoredRun) -> Scores:
    """What the objective asks for of every example; every process must call it, and all get the same.

    Each process runs every W-th row of W processes. Rows go in batches of like length, the longest first: a batch
    that does not fit the memory is met at once. Precision is that of evaluation.

    Args:
        run: whose objective says what is scored.

    Raises:
        UserError: the model's last linear layer reads no pooled vector.
    """
    args, data, objective = run.args, run.train_dataset, run.objective
    sources = [data.labeled]
    if objective.scored == "features" and data.unlabeled is not None:
        sources.append(data.unlabeled)
    lengths = np.concatenate([run.modality.lengths(source, args) for source in sources])
    share = np.argsort(-lengths, kind="stable")[rank() :: world_size()]
    student = _student(run)
    networks = objective.networks(student.model)
    width = len(networks) if objective.scored == "losses" else last_linear(student.model).in_features
    scores = torch.zeros((len(lengths), width), device=args.device)
    hidden = bool(args.disable_tqdm) or rank() > 0 or len(lengths) <= BAR
    with tqdm(total=len(share), desc="scoring all examples", disable=hidden, leave=False) as bar:
        for batch in _loader(run, share, args.dataloader_num_workers):
            inputs = inputs_to_device(batch, args.device)
            rows = inputs.pop("rows")
            scores.index_copy_(0, rows, _values(run, student, networks, inputs))
            bar.update(len(rows))
    # A row is written on one process and 0 on all others: the sum is exact.
    labeled, unlabeled = all_sum(scores).tensor_split([len(data.labeled)])
    if objective.scored == "losses":
        labeled, unlabeled = labeled.T.contiguous(), unlabeled.T
    return Scores(labeled, unlabeled, _labels(run).to(args.device))


def _student(run: ScoredRun) -> Forward:
    # Not as DDP wrapped it: processes run unequal numbers of passes, and DDP may exchange buffers on each.
    return run.forward_for(run.unwrapped_model)


def _labels(run: ScoredRun) -> Tensor:
    return torch.from_numpy(np.array(run.train_dataset.labeled[run.args.label_column], dtype=np.int64))


def _values(run: ScoredRun, student: Forward, networks: list[nn.Module], inputs: dict[str, Any]) -> Tensor:
    """The student's pooled vectors [B, D] of the inputs, or the losses [B, K] of their labels by each network."""
    if run.objective.scored == "features":
        return student.pooled(inputs, dropout=False)[0]
    labels = inputs.pop("labels")
    losses = []
    for network in networks:
        (logits,) = student(inputs, model=network, dropout=False)
        losses.append(nn.functional.cross_entropy(logits, labels, reduction="none"))
    return torch.stack(losses, dim=1)


def _loader(run: ScoredRun, rows: np.ndarray, workers: int) -> DataLoader:
    """Inputs of the examples ``rows``, of which those from N_l on are unlabeled; views are nobody's business here."""
    args, data = run.args, run.train_dataset
    labeled = len(data.labeled)
    size = args.per_device_eval_batch_size
    keys = [Key(LABELED, row, 0) if row < labeled else Key(UNLABELED, row - labeled, 0) for row in rows.tolist()]
    known = args.label_column if run.objective.scored == "losses" else None
    collate = partial(_collated, run.data_collator, known, labeled)
    # A generator of its own: by default a loader draws from the one that dropout draws from.
    return DataLoader(
        data,
        batch_sampler=[keys[start : start + size] for start in range(0, len(keys), size)],
        collate_fn=collate,
        num_workers=workers,
        generator=torch.Generator().manual_seed(0),
    )


def _collated(collator: ViewCollator, label_column: str | None, labeled: int, items: Sequence[Item]) -> dict[str, Any]:
    keys = [item.key for item in items]
    # The keys of a view that is the example as it is: texts are tokenised once for both.
    inputs = collator.encode(
        [collator.content(item.example) for item in items], [(key.stream, key.index) for key in keys]
    )
    inputs["rows"] = torch.tensor([key.index + (labeled if key.stream == UNLABELED else 0) for key in keys])
    if label_column is not None:
        inputs["labels"] = torch.tensor([item.example[label_column] for item in items])
    return inputs

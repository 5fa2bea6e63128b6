"""How often unlabeled examples were given each class, and how often rightly where the truth is known."""

from __future__ import annotations

import torch
from torch import Tensor

from textssl.state.collectives import all_sum
from textssl.state.step_rows import StepRows


__all__ = ["PseudoLabelCounts"]

# Micro-batches that are kept as they are until they are counted: their rows are few bytes.
KEPT = 256
UNKNOWN = -1


class PseudoLabelCounts:
    """Counts the pseudo-labels of a training, on its device; they are for reports, and no loss reads them.

    A micro-batch costs no more than a reference to its rows: they are counted together, when somebody asks.

    Args:
        num_labels: C.
        truth: class number of each unlabeled example ``[N]``, -1 where nobody knows; ``None`` where all is unknown.
    """

    def __init__(self, num_labels: int, truth: Tensor | None = None) -> None:
        self.num_labels = num_labels
        self.truth = truth
        self._rows = StepRows()
        self._waiting = 0
        self._counts: Tensor | None = None

    def add(self, labels: Tensor, weights: Tensor | None, index: Tensor) -> None:
        """Add a micro-batch.

        Args:
            labels: class numbers ``[B]``.
            weights: in [0, 1] ``[B]``, 0 for a pseudo-label that is not used; ``None``: all are used in full.
            index: place of each example in the unlabeled data ``[B]``.
        """
        self._rows.add(
            labels, labels.new_ones(len(labels), dtype=torch.float32) if weights is None else weights, index
        )
        self._waiting += 1
        if self._waiting >= KEPT:
            self._count()

    @torch.no_grad()
    def take(self, device: torch.device) -> Tensor:
        """Return the counts of all processes since the last call, and forget them; every process must call it.

        Args:
            device: of the training, for a process that has seen none.

        Returns:
            ``[4, C]`` by class of the pseudo-label: how many there were; the sum of their weights; the weights of
            those whose truth is known; and of those that are right.
        """
        self._count()
        counts, self._counts = self._counts, None
        if counts is None:
            counts = torch.zeros((4, self.num_labels), device=device)
        return all_sum(counts)

    @torch.no_grad()
    def _count(self) -> None:
        rows, self._waiting = self._rows.take(), 0
        if not rows:
            return
        labels, weights, index = rows
        weights = weights.float()
        known = right = torch.zeros_like(weights)
        if self.truth is not None:
            self.truth = self.truth.to(labels.device)
            truth = self.truth[index.to(labels.device)]
            known, right = weights * (truth != UNKNOWN), weights * (truth == labels)
        added = torch.zeros((4, self.num_labels), device=labels.device)
        added.index_add_(1, labels, torch.stack([torch.ones_like(weights), weights, known, right]))
        self._counts = added if self._counts is None else self._counts + added

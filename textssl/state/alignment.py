"""Predictions aligned with a class distribution, by a running mean that is equal on every process."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from textssl.functional import align_distribution
from textssl.state.averages import RunningMean


__all__ = ["DistributionAlignment"]


class DistributionAlignment(RunningMean):
    """The running mean of a model's predictions, and predictions scaled by ``prior`` over it.

    All micro-batches of a step are aligned by the mean before that step, which `end_step` then moves.

    Args:
        prior: the class distribution wanted, C numbers that sum to one, such as that of the labeled data.
        decay: share of the mean kept at each step, in [0, 1).

    Raises:
        ValueError: decay outside [0, 1).

    Source: ReMixMatch, sec. 3.1: Berthelot et al., 2020, arXiv:1911.09785.
    """

    prior: Tensor

    def __init__(self, prior: Sequence[float], decay: float) -> None:
        super().__init__(torch.full((len(prior),), 1 / len(prior)), decay)
        self.register_buffer("prior", torch.tensor(prior), persistent=False)
        # Means of the micro-batches of a step; empty between steps, so they are no state.
        self._means: list[Tensor] = []

    @torch.no_grad()
    def align(self, probs: Tensor) -> Tensor:
        """Align one micro-batch [B, C], and remember its mean until the step ends."""
        self._means.append(probs.mean(0))
        return align_distribution(probs, self.value, self.prior)

    def end_step(self) -> None:
        """Move the mean by what was aligned since the last step; every process must call it."""
        if self._means:
            self.update(torch.stack(self._means).mean(0))
        self._means = []

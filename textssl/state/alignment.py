"""Predictions aligned with a class distribution, by a mean of past predictions that is equal on every process."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from textssl.functional import align_distribution
from textssl.state.averages import RecentMean, RunningMean


__all__ = ["DistributionAlignment"]


class DistributionAlignment(nn.Module):
    """The mean of a model's *raw* predictions, and predictions scaled by ``prior`` over it.

    All micro-batches of a step are aligned by the mean before that step, which `end_step` then moves. Before the first
    step the mean is the prior, so that the first step leaves predictions as they are.

    Args:
        prior: the class distribution wanted, C numbers that sum to one, such as that of the labeled data.
        decay: share of a running mean kept at each step, in [0, 1). The first step's mean replaces the prior.
        window: instead of ``decay``: the mean is that of the last so many steps; ReMixMatch 128. Steps that have not
            been taken count as the prior.

    Raises:
        ValueError: both or neither of decay and window, or one out of range.

    Source: ReMixMatch, sec. 3.1: Berthelot et al., 2020, arXiv:1911.09785.
    """

    prior: Tensor

    def __init__(self, prior: Sequence[float], decay: float | None = None, window: int | None = None) -> None:
        super().__init__()
        self.mean: RunningMean | RecentMean
        if decay is not None and window is None:
            self.mean = RunningMean(torch.tensor(prior), decay)
        elif window is not None and decay is None:
            self.mean = RecentMean(torch.tensor(prior), window)
        else:
            raise ValueError(f"decay and window: got {decay} and {window}; expected one of the two")
        self.register_buffer("prior", torch.tensor(prior), persistent=False)
        # Means of the micro-batches of a step; empty between steps, so they are no state.
        self._means: list[Tensor] = []

    @property
    def value(self) -> Tensor:
        """The mean prediction [C]; before the first step the prior."""
        return self.mean.value

    @torch.no_grad()
    def align(self, probs: Tensor) -> Tensor:
        """Align one micro-batch [B, C], and remember its mean until the step ends."""
        self._means.append(probs.mean(0))
        return align_distribution(probs, self.value, self.prior)

    def end_step(self) -> None:
        """Move the mean by what was aligned since the last step; every process must call it."""
        if self._means:
            self.mean.update(torch.stack(self._means).mean(0))
        self._means = []

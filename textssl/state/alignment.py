"""Predictions aligned with a class distribution, by a mean of past predictions that is equal on every process."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from textssl.functional import align_distribution, geometric_mean_prior, reweighed_mean
from textssl.state.averages import RecentMean, RunningMean
from textssl.state.step_rows import StepRows


__all__ = ["DistributionAlignment"]

TARGETS = ("prior", "sqrt", "estimated")
# Share of the prior in an estimate of it; docs/guides/priors.md says why.
SHRINKAGE = 0.5


class DistributionAlignment(nn.Module):
    """The mean of a model's *raw* predictions, and predictions scaled by a wanted class distribution over it.

    All micro-batches of a step are aligned by the mean before that step, which `end_step` then moves. Before the first
    step the mean is the prior, so that the first step leaves predictions as they are.

    Args:
        prior: the class distribution wanted, C numbers that sum to one, such as that of the labeled data.
        decay: share of a running mean kept at each step, in [0, 1). The first step's mean replaces the prior.
        window: instead of ``decay``: the mean is that of the last so many steps; ReMixMatch 128. Steps that have not
            been taken count as the prior.
        target: the distribution wanted: ``"prior"`` itself; ``"sqrt"``, the geometric mean of it and of the mean of
            predictions; or ``"estimated"``, that of the unlabeled examples by expectation maximisation, one step of
            which is taken with each batch, half shrunk to the prior. For these two the prior is that of the labeled
            data.

    Raises:
        ValueError: both or neither of decay and window, or one out of range; an unknown target.

    Source: ReMixMatch, sec. 3.1: Berthelot et al., 2020, arXiv:1911.09785; for ``"estimated"`` Saerens et al., 2002.
    """

    prior: Tensor

    def __init__(
        self, prior: Sequence[float], decay: float | None = None, window: int | None = None, target: str = "prior"
    ) -> None:
        super().__init__()
        if target not in TARGETS:
            raise ValueError(f"target: got {target!r}; expected one of {', '.join(TARGETS)}")
        self.kind = target
        self.mean = _mean(prior, decay, window)
        # The mean of predictions that were reweighed by the estimate: what the estimate moves to.
        self.shares = _mean(prior, decay, window) if target == "estimated" else None
        self.register_buffer("prior", torch.tensor(prior), persistent=False)
        self._means, self._shares = StepRows(), StepRows()

    @property
    def value(self) -> Tensor:
        """The mean prediction [C]; before the first step the prior."""
        return self.mean.value

    @property
    def target(self) -> Tensor:
        """The class distribution [C] that predictions are aligned with; before the first step the prior."""
        if self.kind == "sqrt":
            return geometric_mean_prior(self.prior, self.value)
        if self.shares is not None:
            return torch.lerp(self.shares.value, self.prior.to(self.shares.value), SHRINKAGE)
        return self.prior

    @torch.no_grad()
    def align(self, probs: Tensor) -> Tensor:
        """Align one micro-batch [B, C], and remember its mean until the step ends."""
        self._means.add(probs.mean(0, keepdim=True))
        target = self.target
        if self.shares is not None:
            self._shares.add(reweighed_mean(probs, self.prior, target)[None])
        return align_distribution(probs, self.value, target)

    def end_step(self) -> None:
        """Move the mean by what was aligned since the last step; every process must call it."""
        for mean, step in ((self.mean, self._means.take()), (self.shares, self._shares.take())):
            if mean is not None and step:
                mean.update(step[0].mean(0))


def _mean(prior: Sequence[float], decay: float | None, window: int | None) -> RunningMean | RecentMean:
    """The mean over steps that begins at ``prior``."""
    if decay is not None and window is None:
        return RunningMean(torch.tensor(prior), decay)
    if window is not None and decay is None:
        return RecentMean(torch.tensor(prior), window)
    raise ValueError(f"decay and window: got {decay} and {window}; expected one of the two")

"""Confidence thresholds that follow how much a model has learned of each class."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from textssl.functional import confidence_mask
from textssl.state.averages import RunningMean


__all__ = ["ClassThresholds"]


class ClassThresholds(nn.Module):
    """tau_c = tau p_c / max_k p_k, with p a running mean of a model's predictions, equal on every process.

    A class that the model seldom predicts so far has a lower threshold. All micro-batches of a step are judged by the
    mean before that step, which `end_step` then moves; before the first step it is uniform.

    Args:
        threshold: tau, of the class that is predicted most, in [0, 1].
        decay: share of the running mean kept at each step, in [0, 1); ``None`` leaves tau as it is for all classes.
        num_labels: C.

    Source: Zou and Caragea, 2023, arXiv:2310.14583, equations 3 and 4.
    """

    def __init__(self, threshold: float, decay: float | None, num_labels: int) -> None:
        super().__init__()
        self.threshold = threshold
        self.mean = None if decay is None else RunningMean(torch.full((num_labels,), 1 / num_labels), decay)
        # Means of the micro-batches of a step; empty between steps, so they are no state.
        self._means: list[Tensor] = []

    @torch.no_grad()
    def mask(self, probs: Tensor) -> Tensor:
        """1 for each row [B] whose most likely class reaches its threshold, else 0; remembers the mean of ``probs``.

        Args:
            probs: [B, C].
        """
        if self.mean is None:
            return confidence_mask(probs, self.threshold)
        self._means.append(probs.mean(0))
        shares = self.mean.value
        return confidence_mask(probs, self.threshold * (shares / shares.amax())[probs.argmax(-1)])

    def end_step(self) -> None:
        """Move the mean by what was judged since the last step; every process must call it."""
        if self.mean is not None and self._means:
            self.mean.update(torch.stack(self._means).mean(0))
        self._means = []

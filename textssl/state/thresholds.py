"""Threshold policies: how much each pseudo-label counts, and what a policy learns from those that it has judged.

A method that differs from FixMatch in its threshold alone is a policy and an override of
:meth:`textssl.methods.fixmatch.FixMatch.threshold_policy`. One that learns begins with `AdaptiveThresholds`.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from textssl.functional import confidence_mask
from textssl.state.averages import RunningMean
from textssl.state.collectives import all_cat
from textssl.state.step_rows import StepRows


__all__ = ["AdaptiveThresholds", "ClassThresholds", "FixedThreshold", "ThresholdPolicy"]


class ThresholdPolicy(nn.Module):
    """Gives each pseudo-label a weight. All that it remembers is a buffer, which every checkpoint holds.

    Attributes:
        is_mask: whether all weights are 0 or 1, so that a loss of the rows kept need not be multiplied by them.
    """

    is_mask: ClassVar[bool] = False

    def weights(self, probs: Tensor, index: Tensor) -> Tensor:
        """Return a weight [B] in [0, 1] for each pseudo-label; a row of weight 0 costs no strong forward.

        Args:
            probs: predictions [B, C] on one micro-batch of unlabeled examples; rows sum to one.
            index: place of each example in the unlabeled data [B].
        """
        raise NotImplementedError(f"{type(self).__name__} has no weights")

    def class_thresholds(self) -> Tensor | None:
        """Return the confidence [C] from which a label of each class counts now, or one for all [1]; for reports.

        ``None``, the default, where weights are no matter of thresholds.
        """
        return None

    def end_step(self) -> None:
        """Learn from what was judged since the last step. Every process calls it after each optimizer step."""


class FixedThreshold(ThresholdPolicy):
    """One threshold for all examples, from the first step to the last: FixMatch's.

    Args:
        threshold: tau, in [0, 1].
    """

    is_mask = True

    def __init__(self, threshold: float) -> None:
        super().__init__()
        self.threshold = threshold

    def weights(self, probs: Tensor, index: Tensor) -> Tensor:
        """Return 1 where the largest probability reaches the threshold, else 0."""
        return confidence_mask(probs, self.threshold)

    def class_thresholds(self) -> Tensor:
        """Return the one threshold."""
        return torch.tensor([self.threshold])


class ClassThresholds(ThresholdPolicy):
    """tau_c = tau p_c / max_k p_k, with p a running mean of a model's predictions, equal on every process.

    A class that the model seldom predicts so far has a lower threshold. All micro-batches of a step are judged by the
    mean before that step, which `end_step` then moves; before the first step it is uniform.

    Args:
        threshold: tau, of the class that is predicted most, in [0, 1].
        decay: share of the running mean kept at each step, in [0, 1).
        num_labels: C.

    Source: Zou and Caragea, 2023, arXiv:2310.14583, equations 3 and 4.
    """

    is_mask = True

    def __init__(self, threshold: float, decay: float, num_labels: int) -> None:
        super().__init__()
        self.threshold = threshold
        self.mean = RunningMean(torch.full((num_labels,), 1 / num_labels), decay)
        self._means = StepRows()

    @torch.no_grad()
    def weights(self, probs: Tensor, index: Tensor) -> Tensor:
        """Return 1 where the most likely class reaches its threshold, else 0; remember the mean of ``probs``."""
        self._means.add(probs.mean(0, keepdim=True))
        return confidence_mask(probs, self.class_thresholds()[probs.argmax(-1)])

    def class_thresholds(self) -> Tensor:
        """Return the threshold of each class."""
        shares = self.mean.value
        return self.threshold * (shares / shares.amax())

    def end_step(self) -> None:
        """Move the mean by what was judged since the last step; every process must call it."""
        if means := self._means.take():
            self.mean.update(means[0].mean(0))


class AdaptiveThresholds(ThresholdPolicy):
    """A policy that learns from the predictions that it judges.

    A subclass computes weights from its buffers in `compute_weights` and moves the buffers in `update`. All
    micro-batches of a step are judged by the buffers before that step. Then `update` is called once, with the rows of
    all micro-batches and of all processes. So a step on two halves of a batch equals a step on the whole batch, and
    the buffers are equal on every process without a collective in the subclass.
    """

    def __init__(self) -> None:
        super().__init__()
        self._judged = StepRows()

    @torch.no_grad()
    def weights(self, probs: Tensor, index: Tensor) -> Tensor:
        """Return a weight [B] for each pseudo-label, and keep its row until the step ends."""
        self._judged.add(probs, index)
        return self.compute_weights(probs, index)

    @torch.no_grad()
    def end_step(self) -> None:
        """Update the buffers; a step that judged nothing, as in a warm start, changes none."""
        if judged := self._judged.take():
            probs, index = (all_cat(rows) for rows in judged)
            self.update(probs, index)

    def compute_weights(self, probs: Tensor, index: Tensor) -> Tensor:
        """Return the weights [B] of one micro-batch: a function of ``probs``, ``index`` and the buffers."""
        raise NotImplementedError(f"{type(self).__name__} has no weights")

    def update(self, probs: Tensor, index: Tensor) -> None:
        """Move the buffers by the rows of a whole step.

        Args:
            probs: predictions [N, C] of all micro-batches and processes, the same on every process.
            index: place of each example in the unlabeled data [N]. One may occur several times.
        """
        raise NotImplementedError(f"{type(self).__name__} has no update")

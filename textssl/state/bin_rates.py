"""CTAugment's memory: a rate for each bin of strengths of each operation, equal on every process."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from textssl.functional import bin_probs, updated_bins
from textssl.state.collectives import all_sum


__all__ = ["BinRates"]

# Agreements are added up in whole steps of this size: such sums are exact, so that neither the order of the hits, nor
# a GPU's, nor the number of processes changes a bit of the rates.
STEP = 2.0**-32


class BinRates(nn.Module):
    """Rates m of the bins of O operations, all 1 at the start.

    Args:
        sizes: number of bins of each operation, O numbers of 1 or more; they may differ.
        decay: rho, share of a rate that one trial leaves, in [0, 1); 0.99.
        threshold: bins whose value is below this share of their operation's best are not drawn, in [0, 1]; 0.8.

    Raises:
        ValueError: no operation, one without a bin, or a number out of range.

    Source: ReMixMatch, sec. 3.2: Berthelot et al., 2020, arXiv:1911.09785. The paper does not say what several trials
    of a bin in one step do: see :func:`textssl.functional.updated_bins`.
    """

    rates: Tensor
    present: Tensor

    def __init__(self, sizes: Sequence[int], decay: float = 0.99, threshold: float = 0.8) -> None:
        super().__init__()
        self.sizes = tuple(int(size) for size in sizes)
        if not self.sizes or min(self.sizes) < 1:
            raise ValueError(f"sizes: got {list(sizes)}; expected one or more numbers of at least 1")
        self.decay = decay
        self.threshold = threshold
        present = torch.arange(max(self.sizes)) < torch.tensor(self.sizes)[:, None]
        # [O, M]; 0 where an operation has no such bin.
        self.register_buffer("rates", present.float())
        self.register_buffer("present", present, persistent=False)
        # Checks decay and threshold.
        self.probs()

    @torch.no_grad()
    def reset(self) -> None:
        """Set all rates to 1 again."""
        self.rates.copy_(self.present)

    def probs(self) -> Tensor:
        """``[O, M]``, how likely each bin is to be applied where its operation is; rows sum to one."""
        return bin_probs(self.rates, self.present, self.threshold, self.decay)

    @torch.no_grad()
    def update(self, operations: Tensor, bins: Tensor, agreement: Tensor) -> None:
        """Move the rates of the bins that were tried in a step, on any process; every process must call it.

        Args:
            operations: ``[N]`` integers in [0, O); N may differ between processes, and be 0.
            bins: ``[N]`` integers, each below the operation's number of bins.
            agreement: ``[N]`` in [0, 1], see :func:`textssl.functional.agreement`; nan counts as 0.

        Raises:
            ValueError: unequal shapes.
        """
        if not operations.shape == bins.shape == agreement.shape or operations.dim() != 1:
            shapes = [list(x.shape) for x in (operations, bins, agreement)]
            raise ValueError(f"operations, bins and agreement: got {shapes}; expected one shape [N]")
        cells = (operations * self.rates.shape[1] + bins).to(self.rates.device, torch.long)
        steps = (agreement.to(self.rates.device).float().nan_to_num(0.0).clamp(0, 1) / STEP).round().long()
        totals = torch.zeros(2, self.rates.numel(), dtype=torch.long, device=self.rates.device)
        totals[0].index_add_(0, cells, steps)
        totals[1].index_add_(0, cells, torch.ones_like(cells))
        steps, counts = all_sum(totals).view(2, *self.rates.shape)
        self.rates.copy_(updated_bins(self.rates, steps.float() * STEP, counts, self.decay))

    def extra_repr(self) -> str:
        """What the constructor was told."""
        return f"sizes={self.sizes}, decay={self.decay}, threshold={self.threshold}"

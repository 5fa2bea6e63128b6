"""Which rows of a batch are mixed with which, how much, and at which place of the network."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from .. import functional as F


__all__ = ["Mix"]


@dataclass(frozen=True)
class Mix:
    """Mixes N rows in pairs: coefficients * x + (1 - coefficients) * x[index].

    Args:
        partners: for each row the one that it is mixed with, on the host.
        index: the same [N], on the device.
        coefficients: lambda [N], the share of the row itself, on the device.
        at: ``"input"``, the continuous input; ``"pooled"``, the vector that the last linear layer reads; or the
            number of the hidden layer, from 1, whose output is mixed.
    """

    partners: list[int]
    index: Tensor
    coefficients: Tensor
    at: str | int = "input"

    def __call__(self, x: Tensor) -> Tensor:
        """Mix the rows of ``x`` [N, ...]; gradients flow into both of a pair."""
        return F.mix(x, self.coefficients, self.index)

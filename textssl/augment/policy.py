"""What CTAugment decides, whatever it changes: which operations, and which bin of each (arXiv:1911.09785, sec. 3.2).

Rates of bins say how well the model still knows what was changed so. Strong views draw bins by them; probes, views of
labeled examples, draw all bins alike, and what the model makes of these moves the rates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..errors import UserError
from ..state import BinRates


__all__ = ["BinPolicy"]


@dataclass(frozen=True)
class BinPolicy:
    """Rates with the names of their operations.

    Args:
        names: of the operations.
        rates: of their bins.
        probes: whether all bins of an operation are drawn alike.
    """

    names: tuple[str, ...]
    rates: BinRates
    probes: bool = False

    @classmethod
    def fresh(
        cls, names: Sequence[str], sizes: Sequence[int], depth: int, decay: float, threshold: float
    ) -> BinPolicy:
        """A policy whose rates are all 1.

        Args:
            names: of the operations.
            sizes: number of bins of each.
            depth: operations per view.
            decay: rho, share of a rate that one trial leaves.
            threshold: bins below this share of the best are not drawn.

        Raises:
            UserError: a number out of range.
        """
        if not isinstance(depth, int) or depth < 1:
            raise UserError(f"depth: got {depth!r}; expected a whole number of 1 or more")
        if not 0 <= decay < 1:
            raise UserError(f"decay: got {decay}; expected a number in [0, 1)")
        if not 0 <= threshold <= 1:
            raise UserError(f"threshold: got {threshold}; expected a number in [0, 1]")
        return cls(tuple(names), BinRates(sizes, decay, threshold))

    def probe_copy(self) -> BinPolicy:
        """The same rates, all bins drawn alike."""
        return replace(self, probes=True)

    def bins(self, operations: np.ndarray, uniforms: np.ndarray) -> np.ndarray:
        """The bin of each operation, by the rates as they are now; waits for the device that they are on.

        Args:
            operations: numbers of operations, of any shape.
            uniforms: one number in [0, 1) for each.
        """
        if self.probes:
            return (uniforms * np.array(self.rates.sizes)[operations]).astype(int)
        edges = self.rates.probs().cpu().double().numpy().cumsum(1)
        # The last bin that can be drawn ends at 1 to the last bit, so that none beyond it is ever met.
        edges /= edges[:, -1:]
        return (uniforms[..., None] >= edges[operations]).sum(-1)

    def learned(self) -> dict[str, list[float]]:
        """The rate of each bin of each operation, weakest first."""
        rows = zip(self.names, self.rates.rates.tolist(), self.rates.sizes, strict=True)
        return {name: row[:size] for name, row, size in rows}

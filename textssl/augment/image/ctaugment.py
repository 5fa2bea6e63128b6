"""CTAugment for images: how strong a strong view may be is learned while training, by asking the model."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from ...errors import UserError
from ...state import BinRates
from ..plans import PLAN
from ..policy import BinPolicy
from ..views import Augmentation
from .on_device import DeviceRandAugment
from .operations import FIXMATCH
from .randaugment import DRAWS


__all__ = ["CTAUGMENT", "CTAugment"]

CTAUGMENT = (*FIXMATCH, "invert", "cutout")


class CTAugment(DeviceRandAugment):
    """A strong view whose strengths follow what the model still recognises.

    ReMixMatch: Berthelot et al., 2020, arXiv:1911.09785, section 3.2; FixMatch offers it in place of RandAugment.
    The range of each operation is cut into bins. A view draws ``depth`` operations, with replacement, a bin of each
    in proportion to its rate, cut off below ``threshold``, and a strength that is uniform within the bin. The trainer
    shows the model labeled examples under operations whose bins are drawn alike, without the last square, and moves
    each bin's rate towards the probability of the right class. An operation without a range has one bin.

    As with :class:`DeviceRandAugment` a worker makes the weak view and draws numbers, and the trainer does the rest
    on its device: by the rates of the step before, however far the workers are ahead. Reading them takes one wait for
    the device for each view of a step. It must be a view by itself: what goes before is ``weak``, and nothing can
    follow.

    *Differs from the paper in.* Operations and ranges are those of FixMatch's table for RandAugment, with inversion
    and cutout as in UDA; the paper's have a strength for inversion and the like too, and rescale and blur besides.
    Where an operation has a direction, bins are sizes of the change, and the sign is drawn; the paper's bins run from
    the one extreme to the other.

    Args:
        depth: operations per image; 2.
        bins: of each operation's range; 17.
        decay: rho, share of a rate that one trial leaves; 0.99.
        threshold: bins below this share of the operation's best are not drawn; 0.8.
        operations: ``"fixmatch"``, ``"uda"``, or names.
        cutout: side of the square that ends a view, as a share of the shorter side of the image.
        fill: gray of the square and of uncovered pixels, 0 to 255.
        weak: what a worker does; ``weak_view()`` if ``None``, which shifts and does not flip.
        column: what holds the image.

    Raises:
        UserError: as :class:`DeviceRandAugment` does, or a number out of range.
    """

    def __init__(
        self,
        depth: int = 2,
        bins: int = 17,
        decay: float = 0.99,
        threshold: float = 0.8,
        operations: str | Sequence[str] = CTAUGMENT,
        cutout: float = 0.5,
        fill: int = 127,
        weak: Augmentation | None = None,
        column: str = "image",
    ) -> None:
        if not isinstance(bins, int) or bins < 1:
            raise UserError(f"bins: got {bins!r}; expected a whole number of 1 or more")
        super().__init__(1, None, 1.0, operations, cutout, fill, weak, column)
        ranged = [operation.weakest != operation.strongest for operation in self.operations]
        self.policy = BinPolicy.fresh(self.names, [bins if r else 1 for r in ranged], depth, decay, threshold)
        self.n = depth

    @property
    def rates(self) -> BinRates:
        """Of the bins of each operation."""
        return self.policy.rates

    def learned(self) -> dict[str, list[float]]:
        """The rate of each bin of each operation, weakest first."""
        return self.policy.learned()

    def probe_copy(self) -> Self:
        """A copy with the same rates that draws every bin alike, and covers no square at the end."""
        copied = copy.copy(self)
        copied.policy, copied.cutout = self.policy.probe_copy(), 0.0
        return copied

    def __call__(self, example: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
        """Return the weak view of ``example``, with the numbers that decide what is to be done to it."""
        weak = self.weak(example, rng)
        return {**weak, PLAN: rng.random(self.n * DRAWS + 2)}

    @torch.no_grad()
    def apply(self, pixels: Tensor, plans: Sequence[np.ndarray]) -> Tensor:
        """Carry out the plan of each row by the rates as they are now.

        Args:
            pixels: [B, C, H, W] in [0, 1], C being 1 or 3, on any device that has float64. They are rounded to 8
                bits.
            plans: of the B rows, on the host.

        Returns:
            [B, C, H, W] in [0, 1], multiples of 1/255 in float32. A row depends on its own pixels and plan alone.
        """
        draws, ends = self._draws(plans)
        picked, bins = self._chosen(draws)
        strengths = (bins + draws[..., 2]) / np.array(self.rates.sizes)[picked]
        weakest, strongest, signed = self._ranges()[:, picked]
        values = weakest + strengths * (strongest - weakest)
        values = np.where((signed > 0) & (draws[..., 3] < 0.5), -values, values)
        steps = np.concatenate([np.stack([picked, values], -1), draws[..., 3:]], -1)
        return super().apply(pixels, list(np.concatenate([steps.reshape(len(steps), -1), ends], 1)))

    def hits(self, plans: Sequence[np.ndarray]) -> list[list[tuple[int, int]]]:
        """For each plan of a probe copy the operations that it applied, each with its bin."""
        picked, bins = self._chosen(self._draws(plans)[0])
        return [list(zip(*row, strict=True)) for row in zip(picked.tolist(), bins.tolist(), strict=True)]

    def _draws(self, plans: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """What decides on each operation [B, depth, DRAWS], and the place of the last square [B, 2]."""
        table = np.stack(plans)
        return table[:, :-2].reshape(len(table), self.n, DRAWS), table[:, -2:]

    def _chosen(self, draws: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Operations and bins, [B, depth] each."""
        picked = (draws[..., 0] * len(self.operations)).astype(int)
        return picked, self.policy.bins(picked, draws[..., 1])

    def _ranges(self) -> np.ndarray:
        """Weakest and strongest value of each operation, and whether it is signed: [3, operations]."""
        return np.array([(o.weakest, o.strongest, o.signed) for o in self.operations], float).T

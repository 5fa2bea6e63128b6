"""Augmentations that only decide in the workers, and act in the trainer's process or on its device.

A call adds a plan to the example, under ``PLAN``: numbers drawn by the example's own rng, and what is to be done
depends on nothing else, but for rates that training moves. So the number of workers, and how far they are ahead,
change nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol, Self, runtime_checkable

import numpy as np

from .views import Augmentation, Example


if TYPE_CHECKING:
    from torch import Tensor

    from ..state import BinRates


__all__ = ["HITS", "PLAN", "PROBE", "AdaptiveAugmentation", "DeviceAugmentation", "LateAugmentation"]

# Where an example, and the inputs of a view, hold what was decided: no column has such a name.
PLAN = "device plan"
# Where the inputs of a probe hold, for each row, the bins that it tried: a list on the host, so no model sees it.
HITS = "policy hits"
# The view of labeled examples that tries bins; a second policy's is "probe_2".
PROBE = "probe"


@runtime_checkable
class DeviceAugmentation(Augmentation, Protocol):
    """An augmentation whose plans change pixels on the device; a plan is an array of a few numbers."""

    def apply(self, pixels: Tensor, plans: Sequence[np.ndarray]) -> Tensor:
        """Carry out the plan of each row.

        Args:
            pixels: [B, C, H, W] in [0, 1], on any device.
            plans: of the B rows, on the host.

        Returns:
            [B, C, H, W] in [0, 1]. A row depends on its own pixels and plan alone.
        """
        ...


@runtime_checkable
class LateAugmentation(Augmentation, Protocol):
    """An augmentation whose plans make examples in the trainer's process; a plan holds the example itself.

    The examples are encoded only then.
    """

    def finish(self, plans: Sequence[Any]) -> list[Example]:
        """The example that each plan makes. It depends on its own plan alone."""
        ...


@runtime_checkable
class AdaptiveAugmentation(Augmentation, Protocol):
    """An augmentation whose strength follows rates that training moves, as CTAugment's does.

    It is a :class:`DeviceAugmentation` or a :class:`LateAugmentation` besides. A trainer that uses one gives the
    labeled stream a view made by :meth:`probe_copy`, and after each step tells ``rates`` how well the model knew it.
    """

    @property
    def rates(self) -> BinRates:
        """Of the bins of each operation; views and probes that hold the same object share a policy."""
        ...

    def probe_copy(self) -> Self:
        """A copy with the same rates that draws every bin alike."""
        ...

    def hits(self, plans: Sequence[Any]) -> list[list[tuple[int, int]]]:
        """For each plan of a probe copy the operations that it applied, each with its bin."""
        ...

"""Augmentations that only decide in the workers, and act on the device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np

from .views import Augmentation


if TYPE_CHECKING:
    from torch import Tensor


__all__ = ["PLAN", "DeviceAugmentation"]

# Where an example, and the inputs of a view, hold what was decided: no column has such a name.
PLAN = "device plan"


@runtime_checkable
class DeviceAugmentation(Augmentation, Protocol):
    """An augmentation whose call adds a plan to the example, under ``PLAN``: a few numbers drawn by the rng."""

    def apply(self, pixels: Tensor, plans: Sequence[np.ndarray]) -> Tensor:
        """Carry out the plan of each row.

        Args:
            pixels: [B, C, H, W] in [0, 1], on any device.
            plans: of the B rows, on the host.

        Returns:
            [B, C, H, W] in [0, 1]. A row depends on its own pixels and plan alone.
        """
        ...

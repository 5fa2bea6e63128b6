"""FixMatch's strong view with the work of RandAugment and Cutout done on the device, not in the workers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...forward.device_transfer import to_device
from ..plans import PLAN
from ..views import Augmentation
from .device_operations import NUMBERS, boxes, covered, device_operation
from .pixels import check_share
from .randaugment import DRAWS, RandAugment
from .weak import weak_view


__all__ = ["DeviceRandAugment"]

# Operation, value and place of a step. No operation is -1.
STEP = 4
NONE = -1


class DeviceRandAugment(RandAugment):
    """The strong view of :func:`strong_view`, for a trainer whose workers cannot keep up with its device.

    A worker makes the weak view and draws, from the example's own rng, what else is to be done: the plan. The
    trainer carries out all plans of a batch on its device. Draws and rounding are those of :func:`strong_view`, so
    the view of an example is the same to the last of 8 bits, whatever the batch, the workers or the device.

    *Differs from* :func:`strong_view` *in.* An image processor that changes the size of images does so before
    RandAugment and Cutout, not after them.

    It must be a view by itself: what goes before is ``weak``, and nothing can follow.

    Args:
        n: N, operations per image.
        magnitude: M, one strength for all operations, from 0 (weakest) to 10; random for each if ``None``.
        p: probability of applying a drawn operation.
        operations: ``"fixmatch"``, ``"uda"``, or names.
        cutout: side of the square, as a share of the shorter side of the image.
        fill: gray of the square and of uncovered pixels, 0 to 255.
        weak: what a worker does; ``weak_view()`` if ``None``, which shifts and does not flip.
        column: what holds the image.

    Raises:
        UserError: as :class:`RandAugment` does, or a ``cutout`` outside [0, 1].
    """

    def __init__(
        self,
        n: int = 2,
        magnitude: int | None = None,
        p: float = 0.5,
        operations: str | Sequence[str] = "fixmatch",
        cutout: float = 0.5,
        fill: int = 127,
        weak: Augmentation | None = None,
        column: str = "image",
    ) -> None:
        super().__init__(n, magnitude, p, operations, fill, column)
        check_share("cutout", cutout)
        self.cutout = cutout
        self.weak = weak_view(column=column) if weak is None else weak
        self.device_operations = [device_operation(operation) for operation in self.operations]
        # Moves of all kinds are one change, so that few kernels are launched.
        self.changes = list(dict.fromkeys(operation.change for operation in self.device_operations))

    def __call__(self, example: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
        """Return the weak view of ``example``, with a plan of what is to be done to it."""
        weak = self.weak(example, rng)
        plan: list[float] = []
        for pick, gate, uniform, x, y in rng.random((self.n, DRAWS)).tolist():
            number = int(pick * len(self.operations))
            operation = self.operations[number]
            value = operation.weakest + self._strength(uniform) * (operation.strongest - operation.weakest)
            negative = operation.signed and x < 0.5
            plan += [number if gate < self.p else NONE, -value if negative else value, x, y]
        return {**weak, PLAN: np.array(plan + rng.random(2).tolist())}

    @torch.no_grad()
    def apply(self, pixels: Tensor, plans: Sequence[np.ndarray]) -> Tensor:
        """Carry out the plan of each row; nothing waits for the device.

        Args:
            pixels: [B, C, H, W] in [0, 1], C being 1 or 3, on any device that has float64. They are rounded to 8
                bits.
            plans: of the B rows, on the host.

        Returns:
            [B, C, H, W] in [0, 1], multiples of 1/255 in float32. A row depends on its own pixels and plan alone.
        """
        kinds, numbers = self._kernels(np.stack(plans), (pixels.shape[2], pixels.shape[3]))
        # Rows are sorted by kernel in each step, so that a kernel sees a slice, and come back in the end.
        orders = [*np.argsort(kinds, axis=1, kind="stable"), np.arange(len(plans))]
        places = [np.arange(len(plans)), *[np.argsort(order) for order in orders[:-1]]]
        moves = _sent([place[order] for place, order in zip(places, orders, strict=True)], pixels.device)
        sheet = _sent([part[order] for part, order in zip(numbers, orders, strict=True)], pixels.device)
        x = (pixels.float() * 255).round().clamp(0, 255)
        for step, order in enumerate(orders[:-1]):
            x = x.index_select(0, moves[step])
            edges = np.searchsorted(kinds[step, order], np.arange(len(self.changes) + 1)).tolist()
            for change, begin, end in zip(self.changes, edges, edges[1:], strict=False):
                if begin < end:
                    x[begin:end] = change(x[begin:end], sheet[step, begin:end], self.fill)
        return covered(x.index_select(0, moves[-1]), sheet[-1], self.fill) / 255

    def _kernels(self, table: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        """Which of ``changes`` does each step of each row [n, B], and its numbers [n + 1, B, NUMBERS].

        Cutout is the last step. No operation is the number after the last change.
        """
        steps = table[:, :-2].reshape(len(table), self.n, STEP)
        kinds = np.full((self.n, len(table)), len(self.changes))
        numbers = np.zeros((self.n + 1, len(table), NUMBERS))
        for number, operation in enumerate(self.device_operations):
            rows, step = np.nonzero(steps[..., 0] == number)
            found = operation.numbers(steps[rows, step, 1], steps[rows, step, 2:], size)
            kinds[step, rows] = self.changes.index(operation.change)
            numbers[step, rows, : found.shape[1]] = found
        sides = np.full(len(table), float(round(self.cutout * min(size))))
        numbers[-1, :, :3] = boxes(sides, table[:, -2:], size)
        return kinds, numbers


def _sent(parts: list[np.ndarray], device: torch.device) -> Tensor:
    """Stacked and on the device, without waiting for it."""
    return to_device(torch.from_numpy(np.stack(parts)), device)

"""Whether the losses of past steps were finite, without waiting for the device at each step."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from ..state import all_mean


__all__ = ["LossWatch", "WatchedStep"]

# A teacher that learns has a loss of its own.
LOSSES = ("loss", "teacher_loss")


@dataclass(frozen=True)
class WatchedStep:
    """Terms of one optimizer step: means over its processes.

    Args:
        step: its number, from 1.
        terms: by name; of several micro-batches the sum.
    """

    step: int
    terms: dict[str, float]

    @property
    def diverged(self) -> bool:
        """Whether a loss is not finite, or any term is NaN: a mask made of NaN hides it from the loss."""
        losses = (self.terms.get(name, 0.0) for name in LOSSES)
        return not all(map(math.isfinite, losses)) or any(map(math.isnan, self.terms.values()))


class LossWatch:
    """Remembers the terms of each step until they can be read.

    On a GPU the terms of a step are copied to the host while the next one runs, and read when it ends. Processes
    take the mean of their terms, so that all of them see in the same step that one of them diverged.
    """

    def __init__(self) -> None:
        self._sums: dict[str, Tensor | float] = {}
        self._pending: list[tuple[int, dict[str, float], list[str], Tensor, torch.cuda.Event | None]] = []

    def add(self, terms: Mapping[str, Tensor | float]) -> None:
        """Add the terms of a micro-batch of the step under way."""
        for name, value in terms.items():
            added = value.detach().float() if isinstance(value, Tensor) else value
            self._sums[name] = self._sums.get(name, 0.0) + added

    def end_step(self, step: int) -> None:
        """Send the terms of the step to the host. Every process must call it after each step."""
        if not self._sums:
            return
        on_device, known = self._parted()
        values = all_mean(torch.stack(list(on_device.values()))) if on_device else torch.empty(0)
        copied = None
        if values.is_cuda:
            host = torch.empty(values.shape, dtype=values.dtype, pin_memory=True)
            values, copied = host.copy_(values, non_blocking=True), torch.cuda.Event()
            copied.record()
        self._pending.append((step, known, list(on_device), values, copied))
        self._sums = {}

    def _parted(self) -> tuple[dict[str, Tensor], dict[str, float]]:
        """Terms that are where the loss is, and those that the host knows already."""
        loss = self._sums.get("loss")
        home = loss.device if isinstance(loss, Tensor) else torch.device("cpu")
        there: dict[str, Tensor] = {}
        known: dict[str, float] = {}
        for name, value in self._sums.items():
            if isinstance(value, Tensor) and value.device == home:
                there[name] = value.reshape(())
            else:
                known[name] = float(value)
        return there, known

    def read(self, all_steps: bool) -> list[WatchedStep]:
        """The steps that were not read yet.

        Args:
            all_steps: also of the last one, for which a GPU has to be waited for.
        """
        ready, late = self._pending, []
        if not all_steps and ready and ready[-1][-1] is not None:
            ready, late = ready[:-1], ready[-1:]
        self._pending = late
        return [_read(*entry) for entry in ready]

    def clear(self) -> None:
        """Forget all steps."""
        self._sums, self._pending = {}, []


def _read(
    step: int, known: dict[str, float], names: list[str], values: Tensor, copied: torch.cuda.Event | None
) -> WatchedStep:
    if copied is not None:
        copied.synchronize()
    return WatchedStep(step, dict(zip(names, values.tolist(), strict=True)) | known)

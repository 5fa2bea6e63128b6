"""The mean teacher: a slow copy of the student."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from textssl.state.collectives import from_first


__all__ = ["EMATeacher"]


class EMATeacher(nn.Module):
    """Exponential moving average of a student's parameters.

    theta' <- alpha_t theta' + (1 - alpha_t) theta, with alpha_t = min(1 - 1/(t + 1), decay) and t
    counting the updates from 1: 1/2 at the first, then 2/3. The early teacher is the plain mean of
    the student at its start and after each update, so it is of use long before 1/(1 - decay)
    steps. Buffers (batch-norm statistics, position ids) are copied.

    `model` is frozen and always in evaluation mode. Its parameters and floating-point buffers are
    held in at least float32: in bfloat16 a step of 0.001 of the difference would round away.

    On several processes the student must hold equal parameters on each, as data parallelism
    ensures; its buffers, which may differ, are taken from process 0 at each update.

    Args:
        student: the unwrapped model to follow. It is copied, not kept.
        decay: alpha, in [0, 1); Mean Teacher 0.999.
        warmup: False takes alpha_t = decay from the first update.

    Raises:
        ValueError: decay outside [0, 1).

    Source: Tarvainen and Valpola, 2017, arXiv:1703.01780; the warm-up is that of the authors' code.
    """

    updates: Tensor

    def __init__(self, student: nn.Module, decay: float, warmup: bool = True) -> None:
        super().__init__()
        if not 0 <= decay < 1:
            raise ValueError(f"decay must be in [0, 1), got {decay}")
        self.decay = decay
        self.warmup = warmup
        self.model = copy.deepcopy(student).requires_grad_(False)
        for x in [*self.model.parameters(), *self.model.buffers()]:
            if x.is_floating_point():
                # Through .data a parameter stays the same object, so tied parameters stay tied.
                x.data = x.data.to(torch.promote_types(x.dtype, torch.float32))
        some = next(self.model.parameters(), torch.empty(0))
        self.register_buffer("updates", torch.zeros((), dtype=torch.long, device=some.device))
        self.eval()

    def train(self, mode: bool = True) -> EMATeacher:
        """Stay in evaluation mode, whatever ``mode`` is."""
        return super().train(False)

    @torch.no_grad()
    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Run `model` without recording gradients."""
        return self.model(*args, **kwargs)

    @torch.no_grad()
    def update(self, student: nn.Module) -> None:
        """Move the parameters towards the student's and copy its buffers.

        Call it once per optimizer step, on every process. It does not wait for the device.

        Raises:
            ValueError: the student's parameters or buffers differ in name or shape from the
                teacher's, as those of a wrapped model do.
        """
        groups: dict[tuple[torch.device, torch.dtype], list[tuple[Tensor, Tensor]]] = {}
        for mine, theirs in _pairs(self.model.named_parameters(), student.named_parameters()):
            if not mine.is_floating_point():
                mine.copy_(theirs)
                continue
            key = (mine.device, mine.dtype)
            groups.setdefault(key, []).append((mine, theirs.to(*key)))
        for key, pairs in groups.items():
            own, others = (list(tensors) for tensors in zip(*pairs, strict=True))
            step = self._step(*key)
            torch._foreach_lerp_(own, others, step if isinstance(step, float) else [step] * len(own))
        self._copy_buffers(student)
        self.updates += 1

    @torch.no_grad()
    def reset(self, student: nn.Module) -> None:
        """Copy the student's parameters and buffers and start counting from 0 again.

        Raises:
            ValueError: as in `update`.
        """
        for mine, theirs in _pairs(self.model.named_parameters(), student.named_parameters()):
            mine.copy_(theirs)
        self._copy_buffers(student)
        self.updates.zero_()

    def _step(self, device: torch.device, dtype: torch.dtype) -> float | Tensor:
        """1 - alpha_t; as a tensor where reading the counter would wait for the device."""
        if not self.warmup:
            return 1.0 - self.decay
        if self.updates.device.type == "cpu":
            return max(1.0 / (float(self.updates) + 2.0), 1.0 - self.decay)
        # `updates` counts those before this one, and the student's start is one more of the mean.
        count = (self.updates + 2).to(device, dtype)
        return count.reciprocal().clamp_min(1.0 - self.decay)

    def _copy_buffers(self, student: nn.Module) -> None:
        for mine, theirs in _pairs(self.model.named_buffers(), student.named_buffers()):
            mine.copy_(from_first(theirs))


def _pairs(mine: Iterable[tuple[str, Tensor]], theirs: Iterable[tuple[str, Tensor]]) -> list[tuple[Tensor, Tensor]]:
    """Pair the teacher's named tensors with the student's; a tied one comes once."""
    own, other = dict(mine), dict(theirs)
    different = sorted(own.keys() ^ other.keys()) or [name for name in own if own[name].shape != other[name].shape]
    if different:
        raise ValueError(
            "student must have the parameters and buffers that the teacher was made from "
            f"(unwrapped), got a difference at {different[0]!r}"
        )
    return [(own[name], other[name]) for name in own]

"""The mean teacher: a slow copy of the student."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from textssl.state.collectives import broadcast_from_first
from textssl.state.sharing import copy_sharing_frozen, own_copies


__all__ = ["EMATeacher"]


class EMATeacher(nn.Module):
    """Exponential moving average of a student's parameters.

    theta' <- alpha_t theta' + (1 - alpha_t) theta, with alpha_t = min(1 - 1/(t + 1), decay) and t
    counting the updates from 1: 1/2 at the first, then 2/3. The early teacher is the plain mean of
    the student at its start and after each update, so it is of use long before 1/(1 - decay)
    steps. Buffers (batch-norm statistics, position ids) are copied.

    `model` is frozen and always in evaluation mode. Averages are held in at least float32: in
    bfloat16 a step of 0.001 of the difference would round away.

    Parameters that are frozen in the student, such as the base of a LoRA model, equal their own
    average: `model` shares them, and `state_dict()` leaves them out. `model` then has the student's
    precision, and averages of a lower one than float32 are held beside it; a student without frozen
    parameters is copied in float32. Call `release_unfrozen` before an optimizer step where a frozen
    parameter may have been unfrozen.

    On several processes the student must hold equal parameters on each, as data parallelism
    ensures; its buffers, which may differ, are taken from process 0 at each update.

    Args:
        student: the unwrapped model to follow. What is trained of it is copied.
        decay: alpha, in [0, 1); Mean Teacher 0.999.
        rampup: False takes alpha_t = decay from the first update.

    Raises:
        ValueError: decay outside [0, 1).

    Source: Tarvainen and Valpola, 2017, arXiv:1703.01780; the warm-up is that of the authors' code.
    """

    updates: Tensor

    def __init__(self, student: nn.Module, decay: float, rampup: bool = True) -> None:
        super().__init__()
        if not 0 <= decay < 1:
            raise ValueError(f"decay: got {decay}; expected a number in [0, 1)")
        self.decay = decay
        self.rampup = rampup
        self.model = copy_sharing_frozen(student).requires_grad_(False)
        # By every name that state_dict has for them, a tied one by several.
        self._shared = {
            name: parameter
            for name, parameter in student.named_parameters(remove_duplicate=False)
            if not parameter.requires_grad
        }
        # Where each average of low precision is held, by the parameter's name.
        self._precise: dict[str, str] = {}
        if self._shared:
            self._hold_precisely(n for n, _ in self.model.named_parameters() if n not in self._shared)
        else:
            for x in [*self.model.parameters(), *self.model.buffers()]:
                if x.is_floating_point():
                    # Through .data a parameter stays the same object, so tied parameters stay tied.
                    x.data = x.data.to(torch.promote_types(x.dtype, torch.float32))
        some = next(self.model.parameters(), torch.empty(0))
        self.register_buffer("updates", torch.zeros((), dtype=torch.long, device=some.device))
        self.register_state_dict_post_hook(_leave_out_shared)
        self.register_load_state_dict_pre_hook(_put_in_shared)
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
        self.release_unfrozen()
        groups: dict[tuple[torch.device, torch.dtype], list[tuple[Tensor, Tensor]]] = {}
        for name, (mine, theirs) in _pairs(self.model.named_parameters(), student.named_parameters()).items():
            if mine is theirs:
                continue
            if not mine.is_floating_point():
                mine.copy_(theirs)
                continue
            average = self._average(name, mine)
            key = (average.device, average.dtype)
            groups.setdefault(key, []).append((average, theirs.to(*key)))
        for key, pairs in groups.items():
            own, others = (list(tensors) for tensors in zip(*pairs, strict=True))
            step = self._step(*key)
            torch._foreach_lerp_(own, others, step if isinstance(step, float) else [step] * len(own))
        self._round()
        self._copy_buffers(student)
        self.updates += 1

    @torch.no_grad()
    def reset(self, student: nn.Module) -> None:
        """Copy the student's parameters and buffers and start counting from 0 again.

        Raises:
            ValueError: as in `update`.
        """
        for name, (mine, theirs) in _pairs(self.model.named_parameters(), student.named_parameters()).items():
            if mine is not theirs:
                self._average(name, mine).copy_(theirs)
        self._round()
        self._copy_buffers(student)
        self.updates.zero_()

    @torch.no_grad()
    def release_unfrozen(self) -> None:
        """Follow parameters that are no longer frozen by an average of their own, which starts at their value.

        Called before the optimizer's step, it is exact: nothing has moved them yet.
        """
        self._release([name for name, parameter in self._shared.items() if parameter.requires_grad])

    def _release(self, names: list[str]) -> None:
        if names:
            own_copies(self.model, [self._shared.pop(name) for name in names])
            self._hold_precisely(names)

    def _hold_precisely(self, names: Iterable[str]) -> None:
        parameters = dict(self.model.named_parameters())
        for name in names:
            value = parameters.get(name)
            if value is not None and value.is_floating_point() and value.dtype.itemsize < 4:
                self._precise[name] = f"average_{len(self._precise)}"
                self.register_buffer(self._precise[name], value.detach().float(), persistent=False)

    def _average(self, name: str, parameter: Tensor) -> Tensor:
        """Where the average of a parameter of `model` is held."""
        place = self._precise.get(name)
        return parameter if place is None else self.get_buffer(place)

    def _averages(self) -> dict[str, str]:
        """Where averages of low precision are held, by all names that `state_dict` has for the parameters."""
        places = {id(self.model.get_parameter(name)): place for name, place in self._precise.items()}
        named = self.model.named_parameters(remove_duplicate=False) if places else ()
        return {name: places[id(parameter)] for name, parameter in named if id(parameter) in places}

    def _round(self) -> None:
        for name, place in self._precise.items():
            self.model.get_parameter(name).copy_(self.get_buffer(place))

    def _step(self, device: torch.device, dtype: torch.dtype) -> float | Tensor:
        """1 - alpha_t; as a tensor where reading the counter would wait for the device."""
        if not self.rampup:
            return 1.0 - self.decay
        if self.updates.device.type == "cpu":
            return max(1.0 / (float(self.updates) + 2.0), 1.0 - self.decay)
        # `updates` counts those before this one, and the student's start is one more of the mean.
        count = (self.updates + 2).to(device, dtype)
        return count.reciprocal().clamp_min(1.0 - self.decay)

    def _copy_buffers(self, student: nn.Module) -> None:
        for mine, theirs in _pairs(self.model.named_buffers(), student.named_buffers()).values():
            mine.copy_(broadcast_from_first(theirs))


def _pairs(
    mine: Iterable[tuple[str, Tensor]], theirs: Iterable[tuple[str, Tensor]]
) -> dict[str, tuple[Tensor, Tensor]]:
    """Pair the teacher's named tensors with the student's; a tied one comes once."""
    own, other = dict(mine), dict(theirs)
    different = sorted(own.keys() ^ other.keys()) or [name for name in own if own[name].shape != other[name].shape]
    if different:
        raise ValueError(
            f"student: got a difference at {different[0]!r}; expected the (unwrapped) "
            "parameters and buffers that the teacher was made from"
        )
    return {name: (own[name], other[name]) for name in own}


def _leave_out_shared(teacher: EMATeacher, state: dict[str, Any], prefix: str, _: Any) -> None:
    """What is shared is saved with the student, and an average in the precision that it is held in."""
    for name in teacher._shared:
        state.pop(f"{prefix}model.{name}", None)
    for name, place in teacher._averages().items():
        state[f"{prefix}model.{name}"] = teacher.get_buffer(place)


@torch.no_grad()
def _put_in_shared(teacher: EMATeacher, state: dict[str, Any], prefix: str, *_: Any) -> None:
    """What is shared is loaded with the student, and counts as present; what was saved has an average of its own."""
    teacher._release([name for name in teacher._shared if f"{prefix}model.{name}" in state])
    for name, parameter in teacher._shared.items():
        state[f"{prefix}model.{name}"] = parameter
    for name, place in teacher._averages().items():
        average, value = teacher.get_buffer(place), state.get(f"{prefix}model.{name}")
        if value is not None and value.shape == average.shape:
            average.copy_(value)

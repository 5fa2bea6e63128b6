"""The optimizer of a network that the trainer's own does not move."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_


__all__ = ["NetworkOptimizer"]

# What a single number becomes in ``state_dict``: no optimizer holds tensors of these kinds without an axis.
NUMBERS: dict[type, torch.dtype] = {int: torch.int64, float: torch.float64}


class NetworkOptimizer(nn.Module):
    """An optimizer and its learning-rate schedule, whose state is a part of ``state_dict()``, in tensors.

    It holds no parameter of the network: that is a module beside it. Until :meth:`attach` it has nothing to step,
    and keeps a state that it was given as it is.

    Attributes:
        optimizer: the torch optimizer, ``None`` until there is one.
        steps: steps taken, which is all that the schedule knows.
    """

    def __init__(self) -> None:
        super().__init__()
        self.optimizer: torch.optim.Optimizer | None = None
        self.steps = 0
        self._rates: list[tuple[float, Callable[[int], float]]] = []
        self._held: dict[str, Tensor] = {}

    def attach(self, optimizer: torch.optim.Optimizer, schedule: Sequence[Callable[[int], float]]) -> None:
        """Take over a new optimizer, at step 0.

        Args:
            optimizer: one whose state torch can save, such as any of ``torch.optim``.
            schedule: of each parameter group the factor on its learning rate, by the number of steps taken.

        Raises:
            ValueError: another number of groups.
        """
        if len(schedule) != len(optimizer.param_groups):
            raise ValueError(f"schedule: got {len(schedule)}; expected {len(optimizer.param_groups)} factors")
        bases = [float(group.get("initial_lr", group["lr"])) for group in optimizer.param_groups]
        self.optimizer, self.steps, self._held = optimizer, 0, {}
        self._rates = [*zip(bases, schedule, strict=True)]

    def step(self, max_norm: float = 0.0) -> None:
        """Clip the gradients to ``max_norm`` unless that is 0, move the parameters, forget the gradients.

        Raises:
            ValueError: nothing is attached.
        """
        if self.optimizer is None:
            raise ValueError("optimizer must be attached before its first step")
        if max_norm > 0:
            clip_grad_norm_([p for group in self.optimizer.param_groups for p in group["params"]], max_norm)
        for group, (base, factor) in zip(self.optimizer.param_groups, self._rates, strict=True):
            group["lr"] = base * factor(self.steps)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.steps += 1

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        if self.optimizer is None:
            destination.update({prefix + name: value for name, value in self._held.items()})
            return
        destination[prefix + "steps"] = torch.tensor(self.steps)
        for number, entries in self.optimizer.state_dict()["state"].items():
            for name, value in entries.items():
                if value is not None:
                    tensor = torch.tensor(value, dtype=NUMBERS[type(value)]) if type(value) in NUMBERS else value
                    destination[f"{prefix}{number}.{name}"] = tensor

    def _load_from_state_dict(
        self, state_dict: Any, prefix: str, local_metadata: Any, strict: bool, missing: list[str], *rest: Any
    ) -> None:
        own = {name[len(prefix) :]: value for name, value in state_dict.items() if name.startswith(prefix)}
        if self.optimizer is None:
            self._held = own
            return
        if "steps" not in own:
            missing.append(prefix + "steps")
            return
        self.steps = int(own.pop("steps"))
        state: dict[int, dict[str, Any]] = {}
        for name, value in own.items():
            number, key = name.split(".", 1)
            is_number = value.dim() == 0 and value.dtype in NUMBERS.values()
            state.setdefault(int(number), {})[key] = value.item() if is_number else value
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": state, "param_groups": groups})

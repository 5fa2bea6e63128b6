"""Methods that train the student by itself and evaluate the moving average of its weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import nn

from ..objective import Objective, Task
from ..state import EMATeacher


if TYPE_CHECKING:
    from ..forward.base import Forward


__all__ = ["AveragedObjective"]


class AveragedObjective(Objective):
    """An objective whose EMA is evaluated and makes no targets.

    The config's ``ema_decay`` is its decay; 0 or ``None`` evaluates the student. It starts with a warm-up, so that a
    short run is not evaluated on its first weights.
    """

    def __init__(self, config: Any, task: Task) -> None:
        super().__init__(config, task)
        self.average: EMATeacher | None = None

    def bind(self, model: nn.Module) -> None:
        """Build the average that is evaluated."""
        if self.config.ema_decay:
            self.average = EMATeacher(model, self.config.ema_decay)

    def after_step(self, forward: Forward, progress: float) -> None:
        """Move the average."""
        if self.average is not None:
            self.average.update(forward.unwrapped)

    def evaluated(self, student: nn.Module) -> nn.Module:
        """Return the average if there is one."""
        return student if self.average is None else self.average.model

"""The parts of a training: the warm start, the method's own steps, the fine-tuning."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from ..config import SSLConfig
from ..errors import UserError
from ..objective import Objective
from .lr_schedules import with_finetuning, with_warm_start


__all__ = ["TrainingPhase", "with_warm_start_and_finetuning"]


@dataclass(frozen=True)
class TrainingPhase:
    """Where in its training a run is.

    Args:
        args: the config, which says how long the parts are.
        step: optimizer steps done.
        steps: of all training; 0 while nobody knows.
    """

    args: SSLConfig
    step: int
    steps: int

    @property
    def end(self) -> int:
        """The step at which the method has ended."""
        return self.steps - self.args.count_finetune_steps(self.steps) if self.steps > 0 else 0

    @property
    def in_warm_start(self) -> bool:
        """Whether the coming step is on labeled data alone, before the method begins."""
        return self.step < self.args.warm_start_steps

    @property
    def in_finetuning(self) -> bool:
        """Whether the coming step is on labeled data alone, after the method has ended."""
        return self.end <= self.step < self.steps

    @property
    def begins_finetuning(self) -> bool:
        """Whether the coming step is the first of the fine-tuning."""
        return self.end == self.step < self.steps

    @property
    def on_labeled_only(self) -> bool:
        """Whether the method rests in the coming step."""
        return self.in_warm_start or self.in_finetuning

    @property
    def progress(self) -> float:
        """Share of the method's steps done, in [0, 1]; warm start and fine-tuning are not counted."""
        warm = self.args.warm_start_steps
        own = max(self.end - warm, 1)
        return min(max(self.step - warm, 0), own) / own

    def loss_of(self, objective: Objective) -> Callable[..., dict[str, Tensor]]:
        """The method of ``objective`` that scores the coming step."""
        if self.in_finetuning:
            return objective.finetune_loss
        return objective.warm_start_loss if self.in_warm_start else objective.loss


def with_warm_start_and_finetuning(scheduler: Any, args: SSLConfig, steps: int, warm_start_lr_factor: float) -> Any:
    """A schedule of the method's own steps, with the warm start before it and the fine-tuning after it.

    Args:
        scheduler: of as many steps as the method has.
        args: the config.
        steps: of all training.
        warm_start_lr_factor: peak learning rate of the warm start, in units of the optimizer's.

    Raises:
        UserError: a schedule or an optimizer that cannot do so.
    """
    tuned = args.count_finetune_steps(steps)
    if args.warm_start_steps:
        scheduler = with_warm_start(scheduler, args.warm_start_steps, warm_start_lr_factor)
    if tuned:
        if args.optim == "adagrad":
            raise UserError("optim: got 'adagrad', whose state cannot be made anew; finetune_steps needs that")
        own = args.finetune_learning_rate
        ratio = 1.0 if own is None else own / args.learning_rate
        scheduler = with_finetuning(scheduler, steps - tuned, tuned, ratio)
    return scheduler

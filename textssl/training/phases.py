"""The parts of a training: the warm start, the method's own steps, the fine-tuning."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor
from transformers import Trainer

from ..config import SSLConfig
from ..errors import UserError
from ..objective import Objective
from .lr_schedules import with_finetuning, with_warm_start


__all__ = ["PhasedTrainer", "TrainingPhase", "with_warm_start_and_finetuning"]


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


class PhasedTrainer(Trainer):
    """Knows in which of its parts a training is, and gives each its learning rates."""

    args: Any

    @property
    def phase(self) -> TrainingPhase:
        """Where in its training the run is."""
        return TrainingPhase(self.args, self.state.global_step, self.state.max_steps)

    @property
    def progress(self) -> float:
        """Share of the method's steps done, in [0, 1]; warm start and fine-tuning are not counted."""
        return self.phase.progress

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
        """The schedule that was asked for, between the warm start and the fine-tuning if there are any."""
        args, fresh = self.args, self.lr_scheduler is None
        around = args.warm_start_steps + args.count_finetune_steps(num_training_steps)
        super().create_scheduler(num_training_steps - around, optimizer)
        if fresh:
            self.lr_scheduler = with_warm_start_and_finetuning(
                self.lr_scheduler, args, num_training_steps, self.warm_start_lr_factor
            )
        return self.lr_scheduler

    @property
    def warm_start_lr_factor(self) -> float:
        """Peak learning rate of the warm start, in units of ``learning_rate``."""
        return 1.0 if (peak := self.args.warm_start_learning_rate) is None else peak / self.args.learning_rate

    @property
    def resets_optimizer(self) -> bool:
        """Whether the optimizer forgets, before the coming step, what it remembers: there begins the fine-tuning."""
        return self.phase.begins_finetuning

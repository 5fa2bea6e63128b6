"""The moments of a training step at which an objective and the sampler are told something."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from transformers import TrainerCallback

from ..state import EMATeacher, average_batch_norms, average_gradients
from .ctaugment_probes import update_rates
from .dataset_scores import check_scored, is_due, score


if TYPE_CHECKING:
    from .trainer import SSLTrainer


__all__ = ["EpochCallback", "StepCallback"]


class EpochCallback(TrainerCallback):
    """Tells the sampler of a trainer where an epoch begins, from the step alone: ``set_epoch`` is lost on resume."""

    def __init__(self, trainer: Any) -> None:
        self.trainer = trainer

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Set the number of the epoch's first batch."""
        sampler = self.trainer.sampler
        sampler.start = state.global_step // self.steps_per_epoch(args) * len(sampler)

    def steps_per_epoch(self, args: Any) -> int:
        """Optimizer steps of a pass over the data."""
        return len(self.trainer.sampler) // (args.world_size * args.gradient_accumulation_steps)


class StepCallback(EpochCallback):
    """Tells the sampler where an epoch begins, and the objective of each optimizer step.

    Trainer's hooks are the right moments: ``on_step_begin`` comes after a resume has restored the RNG,
    ``on_step_end`` before logging, evaluation and saving.
    """

    trainer: SSLTrainer

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Forget what a run that was cut short had not logged yet; see that the model has what will be scored."""
        self.trainer.terms.clear()
        check_scored(self.trainer)

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Show the objective all examples where an epoch begins, and the micro-batches to come."""
        trainer = self.trainer
        if trainer.phase.on_labeled_only:
            return
        begins = args.warm_start_steps
        if is_due(trainer.objective, state.global_step, begins, self.steps_per_epoch(args)):
            trainer.objective.before_epoch(score(trainer), trainer.progress)
        forward = trainer.forward_for(trainer.model_wrapped)
        trainer.objective.before_step(forward, trainer.micro_batches, trainer.progress)

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Average gradients of the objective's own parameters over processes, and clip those of its own networks.

        What the student no longer freezes, its averages take over before it moves.

        DDP and Trainer know the student's alone.
        """
        trainer = self.trainer
        for part in trainer.objective.children():
            if isinstance(part, EMATeacher):
                part.release_unfrozen()
        average_gradients([p for p in trainer.objective.parameters() if p.requires_grad])
        if args.max_grad_norm > 0:
            for network in trainer.objective.networks(trainer.forward_for(trainer.model_wrapped).unwrapped)[1:]:
                torch.nn.utils.clip_grad_norm_(network.parameters(), args.max_grad_norm)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Let the objective follow the student, and augmentations that adapt follow the model that is evaluated."""
        trainer = self.trainer
        forward = trainer.forward_for(trainer.model_wrapped)
        # Trainer does so for the student alone.
        trainer.objective.zero_grad()
        for network in trainer.objective.networks(forward.unwrapped):
            average_batch_norms(network)
        trainer.objective.after_step(forward, trainer.progress)
        update_rates(trainer.objective, forward, trainer.micro_batches)

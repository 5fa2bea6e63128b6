"""Trainer callbacks that notify the objective and the sampler of steps and epochs."""

from __future__ import annotations

from typing import Any

import torch
from transformers import TrainerCallback

from ..state import EMATeacher, average_batch_norms, average_gradients
from .callback_protocols import EpochRun, TrainingRun
from .ctaugment_probes import update_rates
from .dataset_scores import check_scored, is_due, score


__all__ = ["EpochCallback", "StepCallback"]


class EpochCallback(TrainerCallback):
    """Tells the sampler of a run where an epoch begins, from the step alone: ``set_epoch`` is lost on resume."""

    run: EpochRun

    def __init__(self, run: Any) -> None:
        self.run = run

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Set the number of the epoch's first batch."""
        sampler = self.run.sampler
        sampler.start = state.global_step // self.steps_per_epoch(args) * len(sampler)

    def steps_per_epoch(self, args: Any) -> int:
        """Optimizer steps of a pass over the data."""
        return len(self.run.sampler) // (args.world_size * args.gradient_accumulation_steps)


class StepCallback(EpochCallback):
    """Tells the sampler where an epoch begins, and the objective of each optimizer step.

    Trainer's hooks are the right moments: ``on_step_begin`` comes after a resume has restored the RNG,
    ``on_step_end`` before logging, evaluation and saving.
    """

    run: TrainingRun

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Forget what a run that was cut short had not logged yet; see that the model has what will be scored."""
        self.run.terms.clear()
        check_scored(self.run)

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Show the objective all examples where an epoch begins, and the micro-batches to come."""
        run = self.run
        if run.phase.on_labeled_only:
            return
        begins = args.warm_start_steps
        if is_due(run.objective, state.global_step, begins, self.steps_per_epoch(args)):
            run.objective.before_epoch(score(run), run.progress)
        forward = run.forward_for(run.model_wrapped)
        run.objective.before_step(forward, run.micro_batches, run.progress)

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Average gradients of the objective's own parameters over processes, and clip those of its own networks.

        What the student no longer freezes, its averages take over before it moves.

        DDP and Trainer know the student's alone.
        """
        run = self.run
        for part in run.objective.children():
            if isinstance(part, EMATeacher):
                part.release_unfrozen()
        average_gradients([p for p in run.objective.parameters() if p.requires_grad])
        if args.max_grad_norm > 0:
            for network in run.objective.networks(run.forward_for(run.model_wrapped).unwrapped)[1:]:
                torch.nn.utils.clip_grad_norm_(network.parameters(), args.max_grad_norm)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Let the objective follow the student, and augmentations that adapt follow the model that is evaluated."""
        run = self.run
        forward = run.forward_for(run.model_wrapped)
        # Trainer does so for the student alone.
        run.objective.zero_grad()
        for network in run.objective.networks(forward.unwrapped):
            average_batch_norms(network)
        run.objective.after_step(forward, run.progress)
        update_rates(run.objective, forward, run.micro_batches)

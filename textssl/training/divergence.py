"""A Trainer that stops when its loss, its weights or its evaluation are no longer finite."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from typing import Any, NoReturn

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel, Trainer

from ..errors import UserError
from .checkpoints import sealed_checkpoints
from .loss_watch import LossWatch, WatchedStep


__all__ = ["DivergedError", "DivergenceTrainer"]

logger = logging.getLogger(__name__)


class DivergedError(UserError):
    """A loss, weights or an evaluation that are not finite."""


class DivergenceTrainer(Trainer):
    """Under ``nan_policy="stop"`` a diverged run ends at the first step whose loss is NaN or infinite.

    Weights are looked at before each evaluation, each checkpoint and the end of training: no checkpoint holds weights
    that are not finite. Gradients that overflow in float16 are no divergence: the loss scaler skips their step.

    A subclass hands over the terms of each micro-batch.
    """

    objective: nn.Module

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.watch = LossWatch()
        super().__init__(*args, **kwargs)

    @property
    def unwrapped_model(self) -> PreTrainedModel:
        """The student, as neither DDP nor a compiler wraps it."""
        model: PreTrainedModel = self.accelerator.unwrap_model(self.model)
        return model

    @property
    def _stops(self) -> bool:
        return bool(getattr(self.args, "nan_policy", "stop") == "stop")

    def train(self, *args: Any, **kwargs: Any) -> Any:
        """Train.

        Raises:
            DivergedError: a loss, weights or an evaluation that are not finite.
        """
        self.watch.clear()
        try:
            return super().train(*args, **kwargs)
        finally:
            self.is_in_train = False

    def count_terms(self, terms: Mapping[str, Tensor | float]) -> None:
        """Remember the terms of a micro-batch; of its losses none may be NaN or infinite."""
        self.watch.add(terms)

    def _maybe_log_save_evaluate(self, *args: Any, **kwargs: Any) -> Any:
        """After each step and all callbacks: look at the losses before anything is logged, measured or saved."""
        if self._stops:
            control = self.control
            keeps = control.should_evaluate or control.should_save or control.should_training_stop
            self.watch.end_step(self.state.global_step)
            for step in self.watch.read(all_steps=keeps or control.should_log or control.should_epoch_stop):
                if step.diverged:
                    self._stop(f"the loss of step {step.step} is not finite ({_format_terms(step)})")
            if keeps:
                self._check_weights()
        else:
            self.watch.clear()
        return super()._maybe_log_save_evaluate(*args, **kwargs)

    def _check_weights(self) -> None:
        student = self.unwrapped_model
        named = {name: p for name, p in student.named_parameters() if p.is_floating_point()}
        others = self.objective.named_parameters(prefix="objective")
        named |= {name: p for name, p in others if p.is_floating_point()}
        largest = [norm.float() for norm in torch._foreach_norm(list(named.values()), float("inf"))]
        if named and not torch.stack(largest).isfinite().all():
            first = next(name for name, p in named.items() if not p.isfinite().all())
            self._stop(f"after step {self.state.global_step} the weights are not finite, of {first} first")

    def evaluation_loop(self, *args: Any, **kwargs: Any) -> Any:
        """Trainer's; a loss that is not finite ends a training, and is warned of elsewhere."""
        output = super().evaluation_loop(*args, **kwargs)
        self.check_measured(output.metrics or {}, kwargs.get("metric_key_prefix", "eval"))
        return output

    def check_measured(self, metrics: Mapping[str, float], prefix: str) -> None:
        """Look at the loss that an evaluation measured.

        Args:
            metrics: what it measured.
            prefix: before the name of each.

        Raises:
            DivergedError: while the model is being trained, a loss that is not finite.
        """
        name = f"{prefix}_loss"
        value = metrics.get(name, 0.0)
        if math.isfinite(value):
            return
        if self.is_in_train and self._stops:
            self._stop(f"after step {self.state.global_step} {name} is {value}")
        if self.is_world_process_zero():
            logger.warning(
                "%s is %s: what the model answers is not finite, so that accuracy and the like mean nothing",
                name,
                value,
            )

    def _stop(self, what: str) -> NoReturn:
        args, step = self.args, self.state.global_step
        good = [path for path in sealed_checkpoints(str(args.output_dir)) if _step_of(path.name) <= step]
        kept = f"the last good checkpoint is {good[-1]}" if good else "no checkpoint was written before"
        raise DivergedError(
            f"training diverged: {what}; {kept}. Train with a lower learning_rate (now {args.learning_rate}), a "
            f"max_grad_norm (now {args.max_grad_norm}) or higher precision; nan_policy='ignore' goes on"
        )


def _step_of(folder: str) -> int:
    return int(folder.rpartition("-")[2])


def _format_terms(step: WatchedStep) -> str:
    """All terms, those that are not finite first."""
    order = sorted(step.terms, key=lambda name: math.isfinite(step.terms[name]))
    return ", ".join(f"ssl/{name} {step.terms[name]:.4g}" for name in order)

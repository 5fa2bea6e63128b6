"""How long a recipe trains: passes over the data, between a fewest and a most, counted in steps before training."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeVar

from ...config import SSLConfig, derive_config
from ..data.task_data import TaskData
from ..options import RecipeOptions


__all__ = ["Length", "baseline_length", "method_length", "plan_of", "scheduled"]

C = TypeVar("C", bound=SSLConfig)


@dataclass(frozen=True)
class Length:
    """Of one training.

    Attributes:
        steps: of the optimizer.
        passes: over the examples that an epoch is a pass over.
        examples: how many these are.
        of: ``"labeled"`` or ``"unlabeled"``.
        bound: the option that decided in place of the passes, ``"min_steps"`` or ``"step_limit"``; ``None`` where
            neither did.
    """

    steps: int
    passes: float
    examples: int
    of: str
    bound: str | None = None

    def __str__(self) -> str:
        """For a person."""
        passes = f"{self.passes:.2g}" if self.passes < 10 else f"{self.passes:.0f}"
        passes += " pass" if passes == "1" else " passes"
        bound = f", --{self.bound}" if self.bound else ""
        return f"{self.steps:,} steps ({passes} over {self.examples:,} {self.of} examples{bound})"


def method_length(options: RecipeOptions, config: SSLConfig, data: TaskData, reads_unlabeled: bool) -> Length:
    """Of the method: ``max_steps`` where it is above 0, else ``num_train_epochs`` passes.

    The bounds ``min_steps`` and ``step_limit`` are for the passes of a preset: a number of passes that a person gave
    is kept.

    Args:
        options: the recipe's.
        config: the method's.
        data: of the task.
        reads_unlabeled: whether an epoch is a pass over the unlabeled examples.
    """
    per_step = _rows_per_step(config) * (config.mu if reads_unlabeled else 1)
    examples = len(data.unlabeled) if reads_unlabeled and data.unlabeled is not None else len(data.labeled)
    of = "unlabeled" if reads_unlabeled else "labeled"
    if config.max_steps > 0:
        return Length(config.max_steps, config.max_steps * per_step / examples, examples, of)
    return _counted(options, config.num_train_epochs, per_step, examples, of, "num_train_epochs" in options.explicit)


def baseline_length(options: RecipeOptions, config: SSLConfig, data: TaskData) -> Length:
    """Of the supervised baseline: ``baseline_epochs`` passes, unless a person gave ``baseline_steps``."""
    per_step, examples = _rows_per_step(config), len(data.labeled)
    if options.baseline_epochs is None or "baseline_steps" in options.explicit:
        steps = options.baseline_steps
        return Length(steps, steps * per_step / examples, examples, "labeled")
    explicit = "baseline_epochs" in options.explicit
    return _counted(options, options.baseline_epochs, per_step, examples, "labeled", explicit)


def scheduled(options: RecipeOptions, config: C, length: Length) -> C:
    """``config`` with its steps, and those of the warm start that a share of them makes."""
    changes = {"max_steps": length.steps}
    if options.warm_start_share is not None and "warm_start_steps" not in options.explicit:
        changes["warm_start_steps"] = int(options.warm_start_share * length.steps)
    return derive_config(config, type(config), **changes)


def plan_of(method: str, length: Length, options: RecipeOptions, config: SSLConfig, data: TaskData) -> str:
    """Lines for a person, before any training: how long each training is, at which rate, on how much of the data."""
    lines = []
    used = 0 if data.unlabeled is None else len(data.unlabeled)
    if length.of == "unlabeled" and data.unlabeled_in_all is not None and used < data.unlabeled_in_all:
        lines.append(f"{used:,} of {data.unlabeled_in_all:,} unlabeled examples; --num_unlabeled none takes all")
    if options.baseline and method != "supervised":
        lines.append(_line("supervised", baseline_length(options, config, data), options.baseline_learning_rate))
    plan = _line(method, length, config.learning_rate)
    if config.warm_start_steps:
        plan += f", the first {config.warm_start_steps:,} steps on labeled examples alone"
    return "\n".join([*lines, plan])


def _line(name: str, length: Length, learning_rate: float) -> str:
    return f"{name}: {length}, learning rate {learning_rate:g}"


def _counted(options: RecipeOptions, passes: float, per_step: int, examples: int, of: str, explicit: bool) -> Length:
    # As in Trainer: an epoch is a whole number of steps.
    steps, bound = max(1, math.ceil(passes * math.ceil(examples / per_step))), None
    if not explicit and options.min_steps is not None and steps < options.min_steps:
        steps, bound = options.min_steps, "min_steps"
    if not explicit and options.step_limit is not None and steps > options.step_limit:
        steps, bound = options.step_limit, "step_limit"
    return Length(steps, steps * per_step / examples, examples, of, bound)


def _rows_per_step(config: SSLConfig) -> int:
    """Labeled ones, on all processes."""
    rows: int = config.per_device_train_batch_size * config.gradient_accumulation_steps * config.world_size
    return rows

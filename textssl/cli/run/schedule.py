"""How long a recipe trains: passes over the data, between a fewest and a most, counted in steps before training."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from transformers import IntervalStrategy

from ...config import SSLConfig, derive_config
from ..data.task_data import TaskData
from ..options import RecipeOptions


__all__ = ["Length", "baseline_length", "fitted", "method_length", "plan_of", "scheduled"]

C = TypeVar("C", bound=SSLConfig)

# Of a training, on labeled examples alone.
PARTS = ("warm_start_steps", "finetune_steps")


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


def fitted(options: RecipeOptions, config: SSLConfig, length: Length) -> tuple[Length, list[str]]:
    """A length that a person did not give, long enough for the warm start and the fine-tuning that one gave.

    Returns:
        The length, and lines for a person about it.

    Raises:
        UserError: these leave the method no step of those that were asked for.
    """
    own = sum(getattr(config, name) or 0 for name in PARTS if name in options.explicit)
    if own < length.steps or {"max_steps", "num_train_epochs", "step_limit"} & options.explicit:
        if own >= length.steps:
            config.count_finetune_steps(length.steps)
        return length, []
    longer = replace(length, steps=length.steps + own, passes=length.passes * (1 + own / length.steps), bound=None)
    asked = next(name for name in PARTS if name in options.explicit and getattr(config, name))
    return longer, [
        f"max_steps: {longer.steps} instead of {length.steps}, to go with {asked} {getattr(config, asked)}"
    ]


def scheduled(options: RecipeOptions, config: C, length: Length, labeled: int) -> tuple[C, list[str]]:
    """``config`` with its steps, those of the warm start that a share of them makes, and what must happen within them.

    Args:
        options: the recipe's.
        config: the method's.
        length: of its training.
        labeled: number of labeled examples.

    Returns:
        The config, and lines for a person about values of a preset that were too large.
    """
    steps = length.steps
    changes: dict[str, Any] = {"max_steps": steps}
    if options.warm_start_share is not None and "warm_start_steps" not in options.explicit:
        changes["warm_start_steps"] = int(options.warm_start_share * steps)
    epochs = getattr(config, "warm_start_epochs", None)
    if epochs and "warm_start_epochs" not in options.explicit and not config.warm_start_steps:
        per_epoch = math.ceil(labeled / _rows_per_step(config))
        if round(epochs * per_epoch) >= steps:
            changes["warm_start_epochs"] = float(f"{steps // 2 / per_epoch:.3g}")
    every = {name: getattr(config, name) for name in ("eval_steps", "save_steps", "logging_steps")}
    for name, count in every.items():
        if name not in options.explicit and count is not None and count > steps:
            changes[name] = steps
    if config.load_best_model_at_end and "save_steps" in changes:
        evaluated = min(every["eval_steps"] or steps, steps)
        changes["save_steps"] = steps // evaluated * evaluated
    told = [name for name in ("warm_start_epochs", "eval_steps") if name in changes]
    if config.eval_strategy != IntervalStrategy.STEPS and "eval_steps" in told:
        told.remove("eval_steps")
    notes = [f"{name}: {changes[name]} instead of {getattr(config, name)}, to go with {steps} steps" for name in told]
    return derive_config(config, type(config), **changes), notes


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

"""About how long a run will take: a few steps are done on trial, with trainers that are thrown away."""

from __future__ import annotations

import gc
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from accelerate import PartialState
from transformers import IntervalStrategy, TrainerCallback
from transformers.trainer_utils import SaveStrategy

from ...training.trainer import SSLTrainer
from ...training.truncation_report import TruncationReport
from .progress import StageProgress, said_seconds
from .resolved import ResolvedRun


__all__ = ["TRIAL", "WORTH", "estimate_line", "few_steps"]

# A run of fewer steps ends before an estimate would.
WORTH = 40
STEPS = 5
# After this many seconds no further step is begun, where one process decides alone.
LIMIT = 12.0
# What a forward pass takes of a step of training with as many rows.
FORWARD = 1 / 3
# Of rows that a run evaluates beside the held-out ones.
CONFIDENCES = 500
# A trial leaves nothing behind, and begins with the method's own steps.
TRIAL: dict[str, Any] = {
    "eval_strategy": IntervalStrategy.NO,
    "save_strategy": SaveStrategy.NO,
    "load_best_model_at_end": False,
    "warm_start_steps": 0,
    "finetune_steps": 0,
    "push_to_hub": False,
    "report_to": [],
}


def few_steps(make: Callable[[Path], SSLTrainer]) -> float:
    """Median seconds of the steps after the first, of at most five.

    Args:
        make: given a folder, builds a trainer with the settings of ``TRIAL``.
    """
    clock = _Clock()
    with tempfile.TemporaryDirectory() as folder:
        trainer = make(Path(folder))
        trainer.remove_callback(StageProgress)
        trainer.remove_callback(TruncationReport)
        trainer.add_callback(clock)
        trainer.train()
        del trainer
        gc.collect()
    return statistics.median(clock.seconds)


def estimate_line(resolved: ResolvedRun, supervised: float, method: float | None) -> str:
    """What a person may expect, and what that was measured on.

    Args:
        resolved: the run.
        supervised: seconds of a step of the supervised baseline.
        method: of the method's; ``None`` where its steps cannot be tried.
    """
    name, config = resolved.method, resolved.config
    per_row = supervised / config.per_device_train_batch_size / config.gradient_accumulation_steps
    rows = 1 + (config.mu if resolved.length.of == "unlabeled" else 0)
    step = supervised * rows if method is None else method
    alone = config.warm_start_steps + config.count_finetune_steps(resolved.length.steps)
    training = step * (resolved.length.steps - alone) + supervised * alone
    stages, baseline = 1, 0
    if resolved.baseline is not None:
        stages, baseline = 2, resolved.baseline.steps
        training += supervised * baseline
    held_out = stages * (len(resolved.data.test) if resolved.data.test is not None else 0)
    if config.eval_strategy == IntervalStrategy.STEPS and resolved.data.validation is not None:
        times = (resolved.length.steps + baseline) // max(1, int(config.eval_steps or 1))
        held_out += times * len(resolved.data.validation)
    seconds = training + per_row * FORWARD * (held_out + CONFIDENCES) / config.world_size
    measured = f"{STEPS} steps of supervised, {supervised:.2g} s each"
    if method is None:
        measured += f", by the number of rows: a step of {name} was not tried"
    elif name != "supervised":
        measured += f", and {STEPS} of {name}, {method:.2g} s each"
    return f"time: about {said_seconds(seconds)} from here (measured on {measured})"


class _Clock(TrainerCallback):
    """Notes how long each step takes, and ends the training after a few."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self._began = self._last = 0.0

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Start the clock."""
        self._began = self._last = time.monotonic()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Note the step; the first one is slower, as long as there is another one."""
        now = time.monotonic()
        if state.global_step == 2:
            self.seconds = []
        self.seconds.append(now - self._last)
        self._last = now
        # Several processes stop at the same step.
        late = now - self._began > LIMIT and PartialState().num_processes == 1
        if state.global_step > STEPS or late:
            control.should_training_stop = True

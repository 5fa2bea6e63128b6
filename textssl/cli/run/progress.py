"""How far a training is: a bar with the time left on a terminal, a line from time to time in a log."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import transformers.trainer
from transformers import TrainerCallback

from ..console import is_terminal, say


__all__ = ["StageProgress", "own_progress", "said_seconds"]

# Seconds between two lines of a log.
BETWEEN_LINES = 30.0
_OPEN: list[StageProgress] = []


def said_seconds(seconds: float) -> str:
    """A duration for a person."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = seconds / 60
    if minutes < 90:
        return f"{minutes:.0f} min"
    return f"{minutes / 60:.1f} h"


@contextmanager
def own_progress() -> Iterator[None]:
    """Have each trainer that is made within, those of rounds too, show its progress by :class:`StageProgress`."""
    # Trainer's own callbacks print a dictionary for each log, and it has no argument that would replace them.
    module: Any = transformers.trainer
    before = module.DEFAULT_PROGRESS_CALLBACK, module.PrinterCallback
    module.DEFAULT_PROGRESS_CALLBACK = module.PrinterCallback = StageProgress
    try:
        yield
    finally:
        module.DEFAULT_PROGRESS_CALLBACK, module.PrinterCallback = before
        for shown in list(_OPEN):
            # Of a training that ended by an error: the cursor would stay hidden.
            shown.close()


class StageProgress(TrainerCallback):
    """Shows steps, share, loss, accuracy and time left of one trainer, whose folder names the stage."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._task: Any = None
        self._began = self._shown = 0.0
        self._first = 0
        self._trains = False
        self._loss: float | None = None

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Open the bar."""
        self._began = self._shown = time.monotonic()
        self._first, self._trains = state.global_step, True
        if state.is_world_process_zero and is_terminal() and not args.disable_tqdm:
            self._open(_stage(args), state.max_steps, state.global_step)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Advance the bar, or tell how far training is if it was told long ago."""
        if self._bar is not None:
            self._bar.update(self._task, completed=state.global_step)
        elif time.monotonic() - self._shown >= BETWEEN_LINES:
            self._tell(args, state)

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
        """Remember the loss."""
        self._loss = (logs or {}).get("loss", self._loss)

    def on_evaluate(self, args: Any, state: Any, control: Any, metrics: Any = None, **kwargs: Any) -> None:
        """Tell the accuracy of an evaluation during training."""
        self._end_of_evaluation()
        accuracy = (metrics or {}).get("eval_accuracy")
        if accuracy is not None:
            self._tell(args, state, f", validation accuracy {100 * accuracy:.1f} %")

    def on_predict(self, args: Any, state: Any, control: Any, metrics: Any, **kwargs: Any) -> None:
        """Take away the bar of an evaluation."""
        self._end_of_evaluation()

    def on_prediction_step(
        self, args: Any, state: Any, control: Any, eval_dataloader: Any = None, **kwargs: Any
    ) -> None:
        """A bar of its own for an evaluation after training."""
        if self._trains or not state.is_world_process_zero or not is_terminal() or args.disable_tqdm:
            return
        if self._bar is None:
            self._open(f"{_stage(args)}: evaluation", len(eval_dataloader), 0)
        self._bar.advance(self._task)

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Tell how long it took."""
        self.close()
        self._trains = False
        if state.is_world_process_zero:
            loss = "" if self._loss is None else f", last loss {self._loss:.3g}"
            seconds = said_seconds(time.monotonic() - self._began)
            say(f"{_stage(args)}: {state.global_step - self._first:,} steps in {seconds}{loss}")

    def _tell(self, args: Any, state: Any, more: str = "") -> None:
        if not state.is_world_process_zero:
            return
        self._shown = time.monotonic()
        step, steps = state.global_step, state.max_steps
        loss = "" if self._loss is None else f", loss {self._loss:.3g}"
        done = step - self._first
        left = (
            f", about {said_seconds((self._shown - self._began) / done * (steps - step))} left"
            if done and step < steps
            else ""
        )
        line = f"{_stage(args)}: step {step:,} of {steps:,} ({100 * step / max(steps, 1):.0f} %){loss}{more}{left}"
        if self._bar is None:
            say(line)
        else:
            self._bar.console.print(line, highlight=False, soft_wrap=True)

    def _end_of_evaluation(self) -> None:
        if not self._trains:
            self.close()

    def _open(self, stage: str, steps: int, done: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._bar = Progress(*columns, console=Console(stderr=True), transient=True)
        self._bar.start()
        self._task = self._bar.add_task(stage, total=steps, completed=done)
        _OPEN.append(self)

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
            _OPEN.remove(self)


def _stage(args: Any) -> str:
    return Path(args.output_dir).name

"""A recipe's stages: each trains one method, is measured once on the held-out data, and is never repeated."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
from accelerate import PartialState

from ..checkpoints import sealed_checkpoints
from ..config import SSLConfig
from ..report.table import Row
from ..trainer import SSLTrainer
from .run_folder import RunFolder


__all__ = ["row_of", "run_stage"]


def run_stage(
    run: RunFolder,
    name: str,
    make_trainer: Callable[[Path], SSLTrainer],
    test: datasets.Dataset,
    after: Callable[[SSLTrainer, dict[str, Any]], None] | None = None,
) -> dict[str, Any]:
    """Train and measure, unless that is done already.

    Args:
        run: the run's folder; when it resumes, so does the stage.
        name: of the stage, and of its folder.
        make_trainer: given the folder, builds the trainer.
        test: held-out data, looked at once, at the end.
        after: called with the trainer and the result before the stage counts as done.

    Returns:
        ``accuracy``, ``macro_f1``, ``seconds`` of training (``None`` if it was cut in two), ``processes`` and
        ``history``.
    """
    done = run.stage_result(name)
    if done is not None:
        return done
    checkpoint = run.checkpoint(name)
    whole = not (checkpoint and sealed_checkpoints(run.path / name))
    trainer = make_trainer(run.path / name)
    output = trainer.train(resume_from_checkpoint=checkpoint)
    metrics = trainer.evaluate(test, metric_key_prefix="test")
    trainer.save_model()
    result = {
        "accuracy": metrics["test_accuracy"],
        "macro_f1": metrics["test_macro_f1"],
        "seconds": output.metrics["train_runtime"] if whole else None,
        "processes": trainer.args.world_size,
        "history": trainer.state.log_history,
    }
    if after is not None:
        after(trainer, result)
    if PartialState().is_main_process:
        run.finish_stage(name, result)
    return result


def row_of(method: str, labels: int, config: SSLConfig, result: dict[str, Any]) -> Row:
    """A stage's line in the table."""
    return Row(method, labels, config.seed, result["accuracy"], result["macro_f1"], result["seconds"])

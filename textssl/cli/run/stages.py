"""A recipe's stages: each trains one method, is measured once, at its end, and is never repeated."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import PartialState

from ...config import SSLConfig
from ...report.table import Row
from ...training.checkpoints import sealed_checkpoints
from ...training.trainer import SSLTrainer
from ..data.task_data import OWN_FILES, TaskData
from .folder import RunFolder
from .measured_predictions import MeasuredPredictions
from .report_data import watch_unlabeled


__all__ = ["MEASURED", "measured_line", "row_of", "run_stage", "save_split"]

MEASURED = ("accuracy", "macro_f1")


def run_stage(
    run: RunFolder,
    name: str,
    make_trainer: Callable[[Path], SSLTrainer],
    data: TaskData,
    after: Callable[[SSLTrainer, dict[str, Any]], None] | None = None,
    train: bool = True,
) -> dict[str, Any]:
    """Train and measure, unless that is done already.

    Args:
        run: the run's folder; when it resumes, so does the stage.
        name: of the stage, and of its folder.
        make_trainer: given the folder, builds the trainer.
        data: its held-out examples are evaluated once, at the end; without any, the validation examples.
        after: called with the trainer and the result before the stage counts as done.
        train: off measures the model as it is.

    Returns:
        ``accuracy`` and ``macro_f1`` on the held-out examples; without any ``None``, and beside them
        ``validation_accuracy``, ``validation_macro_f1`` and ``validation_loss`` if there are validation examples. What
        was predicted for them is in the folder, see :class:`MeasuredPredictions`. ``seconds`` of training
        (``None`` if it was cut in two), ``processes`` and ``history``.
    """
    done = run.stage_result(name)
    if done is not None:
        return done
    checkpoint = run.checkpoint(name)
    whole = not (checkpoint and sealed_checkpoints(run.path / name))
    trainer = make_trainer(run.path / name)
    watch_unlabeled(trainer, data)
    seconds = trainer.train(resume_from_checkpoint=checkpoint).metrics["train_runtime"] if train else None
    measured = _measured(trainer, data, run.path / name)
    trainer.save_model()
    result = {
        **measured,
        "seconds": seconds if whole else None,
        "processes": trainer.args.world_size,
        "history": trainer.state.log_history,
    }
    if after is not None:
        after(trainer, result)
    if PartialState().is_main_process:
        run.finish_stage(name, result)
    return result


def _measured(trainer: SSLTrainer, data: TaskData, folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = dict.fromkeys(MEASURED)
    part = "validation" if data.test is None else "test"
    examples = getattr(data, part)
    if examples is None:
        return found
    output = trainer.predict(examples, metric_key_prefix=part)
    metrics = output.metrics or {}
    trainer.log(metrics)
    if trainer.is_world_process_zero():
        probs = torch.as_tensor(np.asarray(output.predictions)).float().softmax(-1).numpy()
        MeasuredPredictions(part, np.asarray(output.label_ids), probs, data.label_names).write(folder)
    if data.test is None:
        return found | {f"validation_{name}": metrics[f"validation_{name}"] for name in (*MEASURED, "loss")}
    return {name: metrics[f"test_{name}"] for name in MEASURED} | {"log_loss": metrics["test_loss"]}


def row_of(method: str, labels: int, config: SSLConfig, result: dict[str, Any]) -> Row:
    """A stage's line in the table: of the held-out examples, or without any of those for validation."""
    accuracy, macro_f1 = _shown(result)
    return Row(method, labels, config.seed, accuracy, macro_f1, result["seconds"])


def measured_line(data: TaskData) -> str:
    """What the accuracies of the table are of, for a person."""
    if data.test is not None:
        return f"accuracy on {len(data.test):,} held-out examples"
    if data.validation is not None:
        return f"accuracy on {len(data.validation):,} validation examples; --test_file names held-out ones"
    return "no accuracy was measured: --test_file names held-out examples, --validation_split 0.2 holds some out"


def _shown(result: Mapping[str, Any]) -> list[float | None]:
    """Accuracy and macro-F1 of the held-out examples, or without any of those for validation."""
    return [result.get(f"validation_{name}") if result[name] is None else result[name] for name in MEASURED]


def save_split(data: TaskData, run: RunFolder) -> None:
    """Write which rows were used as what, ``split.json``, beside the record of a run on own files."""
    if data.split is not None and data.data_facts.origin == OWN_FILES:
        data.split.save(run.path / "split.json")

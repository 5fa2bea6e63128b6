"""A recipe's stages: each trains one method, is measured once on the held-out data, and is never repeated."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import datasets
import torch
from accelerate import PartialState
from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError, HFValidationError
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    set_seed,
)

from ..checkpoints import sealed_checkpoints
from ..config import SSLConfig
from ..data.sources import embedded_model_path
from ..errors import UserError
from ..report.table import Row
from ..trainer import SSLTrainer
from .run_folder import RunFolder


__all__ = ["load_classifier", "load_tokenizer", "row_of", "run_stage"]

# How long the Hub may take to answer at all.
HUB_SECONDS = 5.0


def load_tokenizer(model: str) -> PreTrainedTokenizerBase:
    """The tokenizer of a model; see :func:`load_classifier`."""
    tokenizer: PreTrainedTokenizerBase = _loading(model, AutoTokenizer.from_pretrained, _place(model))
    return tokenizer


def load_classifier(model: str, label_names: tuple[str, ...], seed: int) -> PreTrainedModel:
    """A classifier with a fresh head, in float32; the same seed gives the same head.

    Args:
        model: a model of the Hub, a folder, or ``embedded``.
        label_names: the classes, in order; they go into the model's config.
        seed: of the head.

    Raises:
        UserError: no such model, or the Hub is out of reach.
    """
    set_seed(seed)
    network: PreTrainedModel = _loading(
        model,
        AutoModelForSequenceClassification.from_pretrained,
        _place(model),
        num_labels=len(label_names),
        id2label=dict(enumerate(label_names)),
        label2id={name: i for i, name in enumerate(label_names)},
        dtype=torch.float32,
        # With dropout the fused kernel falls back to a slower path on CPUs.
        attn_implementation=None if torch.cuda.is_available() else "eager",
    )
    return network


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


@cache
def _hub_fault(model: str) -> str | None:
    """Why the Hub cannot be asked for a model; ``None`` if it can, or need not be."""
    if model == "embedded" or Path(model).is_dir():
        return None
    try:
        # By itself from_pretrained tries for three quarters of a minute, and fills the screen.
        HfApi().model_info(model, timeout=HUB_SECONDS)
    except (HfHubHTTPError, HFValidationError):
        return None
    except Exception as error:  # the HTTP client's errors share no class across its versions
        return f"the Hub cannot be reached, {type(error).__name__}: {error}"
    return None


def _place(model: str) -> str:
    return str(embedded_model_path()) if model == "embedded" else model


def _loading(model: str, load: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    fault = _hub_fault(model)
    try:
        return load(*args, local_files_only=fault is not None, **kwargs)
    except (OSError, ValueError) as error:
        reason = fault or (str(error).strip().splitlines() or [""])[0]
        raise UserError(
            f"model: {model!r} cannot be loaded ({reason}); without the Hub, take --model embedded, "
            "as --preset cpu does"
        ) from error

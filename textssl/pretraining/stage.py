"""The stage before fine-tuning: from texts to a checkpoint that knows them, once, and again after a kill."""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import datasets
from accelerate import PartialState
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from ..data.files import content_checksum
from ..errors import UserError
from ..files import write_atomically
from ..models.inspection import position_limit, weights_checksum
from ..training.run_record import processor_checksum
from .config import PretrainingConfig
from .corpus import joined_texts, split_texts, windows_of
from .masked_lm import encoder_of, masked_language_model, masked_language_model_class, save_pretrained
from .masking import TokenMasker
from .trainer import PretrainingTrainer


__all__ = ["check_pretrainable", "pretrain_in_domain"]

logger = logging.getLogger(__name__)

RECORD = "pretraining.json"
WINDOWS = "windows"
# Settings that change the weights. The others, such as what is logged, may differ between a run and its continuation.
DECISIVE = (
    "adam_beta1",
    "adam_beta2",
    "adam_epsilon",
    "bf16",
    "data_seed",
    "fp16",
    "head_learning_rate",
    "learning_rate",
    "lr_scheduler_kwargs",
    "lr_scheduler_type",
    "mask_share",
    "max_grad_norm",
    "max_length",
    "max_steps",
    "num_train_epochs",
    "optim",
    "optim_args",
    "seed",
    "validation_share",
    "warmup_steps",
    "weight_decay",
    "whole_word",
)


def pretrain_in_domain(
    model: PreTrainedModel | str | Path,
    processing_class: PreTrainedTokenizerBase,
    dataset: datasets.Dataset | Sequence[datasets.Dataset],
    config: PretrainingConfig,
    resume_from_checkpoint: str | bool | None = None,
) -> Path:
    """Train an encoder further on the texts of a task, by masked language modelling.

    Task-adaptive pretraining (Gururangan et al., 2020, arXiv:2004.10964). The result is an ordinary checkpoint:
    ``AutoModelForMaskedLM`` loads it, and ``AutoModelForSequenceClassification.from_pretrained(folder)`` takes its
    encoder. Beside it ``pretraining.json`` tells what it was made of, how long, and the loss on held-out texts.
    A finished run of the same settings, data and weights in the folder is not repeated, unless a checkpoint is named.

    Args:
        model: an encoder with any head or none, which stays as it is; or a folder or a name on the Hub. The head of a
            masked language model is kept where ``model``, or what it was loaded from, has one.
        processing_class: its tokenizer, a fast one with a mask token.
        dataset: one data set or several, all of whose texts are trained on but for the held-out share.
        config: settings; ``config.output_dir`` is the folder.
        resume_from_checkpoint: ``True`` resumes from the newest finished checkpoint of the folder, if there is one; a
            folder resumes from that checkpoint; ``None`` starts from scratch.

    Returns:
        The folder.

    Raises:
        UserError: model, tokenizer, texts or settings that cannot work; a checkpoint that is damaged, or a folder
            that holds a run of other settings.
    """
    source = encoder_of(model)
    check_pretrainable(source, processing_class, config)
    texts = joined_texts(dataset, config.text_column)
    parts = split_texts(texts, config.validation_share, config.seed)
    folder = Path(str(config.output_dir))
    record = _record(source, processing_class, texts, parts, config)
    again = isinstance(resume_from_checkpoint, str)
    if _is_finished(folder, record, bool(resume_from_checkpoint)) and not again:
        logger.info("%s holds the finished pretraining", folder)
        return folder
    _claim(folder, record, bool(resume_from_checkpoint))
    windows, held_out = _windows(parts, processing_class, config, record["fingerprint"][:16])
    network, fresh = masked_language_model(source, config.seed)
    trainer = PretrainingTrainer(network, config, windows, held_out, processing_class, fresh)
    start = time.monotonic()
    steps = trainer.train(resume_from_checkpoint=resume_from_checkpoint).global_step
    record |= {"finished": True, "fresh_head": fresh, "windows": len(windows), "steps": steps}
    record |= {"seconds": time.monotonic() - start, **trainer.evaluate()}
    if trainer.is_world_process_zero():
        save_pretrained(trainer.unwrapped_model, source, folder)
        processing_class.save_pretrained(folder)
        shutil.rmtree(folder / WINDOWS, ignore_errors=True)
        _write(folder, record)
    PartialState().wait_for_everyone()
    return folder


def check_pretrainable(model: PreTrainedModel, processing_class: Any, config: PretrainingConfig) -> None:
    """Check all that can be checked before any work.

    Raises:
        UserError: a model that has no masked language model; a tokenizer that is not fast, or has no mask or padding
            token; more tokens than positions.
    """
    masked_language_model_class(encoder_of(model))
    if not getattr(processing_class, "is_fast", False):
        raise UserError(f"processing_class: got {type(processing_class).__name__}; expected a fast tokenizer")
    if processing_class.pad_token_id is None:
        raise UserError("processing_class: expected a tokenizer that has a padding token")
    TokenMasker(processing_class, config.mask_share, config.whole_word)
    positions = position_limit(model)
    if positions is not None and config.max_length > positions:
        raise UserError(f"max_length: got {config.max_length}; the model has {positions} positions")


def _record(
    source: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    texts: datasets.Dataset,
    parts: Sequence[datasets.Dataset],
    config: PretrainingConfig,
) -> dict[str, Any]:
    """What a run is made of, and a fingerprint of that: all that decides its weights."""
    plain = config.to_dict()
    batch_size = config.per_device_train_batch_size * config.gradient_accumulation_steps * config.world_size
    made_of = {
        "base_model": str(source.config.name_or_path),
        "base_sha256": weights_checksum(source.base_model),
        "tokenizer_sha256": processor_checksum(tokenizer),
        "data_sha256": content_checksum(texts, [config.text_column]),
        "texts": len(parts[0]),
        "held_out_texts": len(parts[1]),
        "settings": {"batch_size": batch_size, **{name: plain[name] for name in DECISIVE}},
    }
    fingerprint = hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()
    return {"fingerprint": fingerprint, "finished": False, **made_of}


def _windows(
    parts: Sequence[datasets.Dataset], tokenizer: PreTrainedTokenizerBase, config: PretrainingConfig, stem: str
) -> list[datasets.Dataset]:
    """Windows of the texts to train on, and of the held-out ones; the first process cuts them, the others read."""
    folder, column = Path(str(config.output_dir), WINDOWS), config.text_column
    with config.main_process_first(desc="windows"):
        return [
            windows_of(part, column, tokenizer, config.max_length, folder / f"{name}-{stem}.arrow")
            for name, part in zip(("train", "held_out"), parts, strict=True)
        ]


def _is_finished(folder: Path, record: dict[str, Any], resume: bool) -> bool:
    """Whether the folder holds what is to be made.

    Raises:
        UserError: it holds something else, and is to be gone on with.
    """
    path = folder / RECORD
    if not path.is_file():
        return False
    try:
        before = json.loads(path.read_text())
        same = before["fingerprint"] == record["fingerprint"]
        finished = bool(before["finished"])
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"output_dir: {path} is damaged; delete {folder}") from error
    if resume and not same:
        changed = sorted(k for k in record if k not in ("fingerprint", "finished") and before.get(k) != record[k])
        raise UserError(f"resume_from_checkpoint: {folder} holds a pretraining of other {', '.join(changed)}")
    return same and finished


def _claim(folder: Path, record: dict[str, Any], resume: bool) -> None:
    """Mark the folder as that of an unfinished run; a run from the beginning leaves no earlier checkpoint there."""
    state = PartialState()
    # All must have seen what was there.
    state.wait_for_everyone()
    if state.is_main_process:
        if not resume and (folder / RECORD).is_file():
            for path in (folder / WINDOWS, *folder.glob("checkpoint-*")):
                shutil.rmtree(path, ignore_errors=True)
        _write(folder, record)
    state.wait_for_everyone()


def _write(folder: Path, record: dict[str, Any]) -> None:
    write_atomically(folder / RECORD, json.dumps(record, indent=1).encode())

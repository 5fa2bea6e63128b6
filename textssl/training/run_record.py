"""What a run was trained with: written into each checkpoint, compared before a run goes on from it."""

from __future__ import annotations

import hashlib
import inspect
import json
import logging
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
from transformers import TrainingArguments

from ..config.saved_settings import settings_of
from ..data.files import content_checksum
from ..errors import UserError
from ..files import write_atomically
from .resume_rules import SAID, is_free


__all__ = [
    "check_same_run",
    "dataset_checksum",
    "decisive_settings",
    "processor_checksum",
    "run_record",
    "write_record",
]

logger = logging.getLogger(__name__)

RECORD = "run_record.json"
# Kept out of the record: a folder may have moved, and rounds.json holds the checksum of the teacher's weights.
PATHS = {"teacher"}
# What transformers itself changes in a model's config when it trains, saves or loads.
CHANGING = {
    "architectures",
    "attn_implementation",
    "dtype",
    "name_or_path",
    "problem_type",
    "torch_dtype",
    "transformers_version",
    "use_cache",
}
# What peft does not keep as it was, or writes of where a model came from.
OF_PEFT = {"base_model_name_or_path", "inference_mode", "peft_version", "revision"}
# Of a view: says how much memory it may use.
NOT_DECISIVE = {"remember"}
PACKAGES = ("textssl", "torch", "transformers")
# Characters of a long value that a message shows.
SHOWN = 120


def run_record(trainer: Any) -> dict[str, Any]:
    """All that decides what training gives: settings, data, tokenizer or processor, model, views, processes.

    Args:
        trainer: one of ours; its data are read once, for their checksums.
    """
    data = trainer.train_dataset
    labels = getattr(trainer.args, "label_column", None)
    return {
        "trainer": type(trainer).__name__,
        "settings": decisive_settings(trainer.args),
        "processes": trainer.args.world_size,
        "labeled_data": dataset_checksum(data.labeled),
        # Labels that stand in unlabeled data are not looked at.
        "unlabeled_data": None if data.unlabeled is None else dataset_checksum(data.unlabeled, {labels}),
        "evaluation_data": _evaluation_checksum(trainer.eval_dataset),
        "processing_class": processor_checksum(trainer.processing_class),
        "model": _model_facts(trainer.unwrapped_model),
        "views": {
            name: _view_facts(augmentation)
            for name, augmentation in getattr(trainer.data_collator, "augmentations", {}).items()
        },
        "compute_loss_func": None if trainer.compute_loss_func is None else _name_of(trainer.compute_loss_func),
        "optimizer_cls_and_kwargs": _optimizer_facts(*(trainer.optimizer_cls_and_kwargs or (None, {}))),
        "versions": {name: version(name) for name in PACKAGES},
    }


def decisive_settings(config: TrainingArguments) -> dict[str, Any]:
    """The settings of a run that its continuation must have in common, or that a warning names."""
    return {name: v for name, v in settings_of(config).items() if not is_free(name) and name not in PATHS}


def write_record(record: Mapping[str, Any], folder: str | Path) -> None:
    """Write ``run_record.json`` into a checkpoint."""
    write_atomically(Path(folder, RECORD), json.dumps(record, indent=1).encode())


def check_same_run(record: Mapping[str, Any], folder: str | Path) -> None:
    """Compare a run with the one that a checkpoint is of.

    What differs and changes no more than rounding, evaluation or the length of training is said in a warning.

    Args:
        record: of the run that is to go on; see :func:`run_record`.
        folder: the checkpoint.

    Raises:
        UserError: the run would not be a continuation; the message names all that differs.
    """
    path = Path(folder, RECORD)
    if not path.is_file():
        logger.warning("%s has no %s, so nobody can tell whether the run is the same", folder, RECORD)
        return
    try:
        before = _flat(json.loads(path.read_text()))
    except (ValueError, AttributeError) as error:
        raise UserError(f"resume_from_checkpoint: {path} is damaged; resume from another checkpoint") from error
    now = _flat(json.loads(json.dumps(record)))
    # What one of the two releases does not know cannot be compared.
    differing = {name for name in before.keys() & now.keys() if before[name] != now[name]}
    said = {name: reason for name in sorted(differing) if (reason := _reason(name, now)) is not None}
    refused = sorted(differing - said.keys())
    if refused:
        setting = ", ".join(_format_change(name, before[name], now[name]) for name in refused)
        raise UserError(
            f"resume_from_checkpoint: {folder} is of a run under other circumstances: {setting}; "
            "restore them, or start over in another output_dir"
        )
    for name, reason in said.items():
        logger.warning("resume_from_checkpoint: %s: %s", _format_change(name, before[name], now[name]), reason)


def dataset_checksum(dataset: Any, leave_out: set[Any] | frozenset[Any] = frozenset()) -> str:
    """SHA-256 of the names and the values of all columns, in the order of the rows.

    Columns of types that have no checksum, such as times, are left out.

    Args:
        dataset: the data.
        leave_out: columns that nobody reads.
    """
    digest = hashlib.sha256()
    for column in sorted(set(dataset.column_names) - leave_out):
        try:
            digest.update(f"{column}\0{content_checksum(dataset, [column])}\n".encode())
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            logger.debug("column %s has no checksum", column)
    digest.update(str(len(dataset)).encode())
    return digest.hexdigest()


def processor_checksum(processing_class: Any) -> str | None:
    """SHA-256 of what a tokenizer or an image processor does to its input; ``None`` where there is none."""
    if processing_class is None:
        return None
    if hasattr(processing_class, "get_vocab"):
        facts = _tokenizer_facts(processing_class)
    else:
        facts = {k: v for k, v in processing_class.to_dict().items() if k not in CHANGING and not k.startswith("_")}
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()


def _tokenizer_facts(tokenizer: Any) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "special": {k: str(v) for k, v in tokenizer.special_tokens_map.items()},
        "sides": [tokenizer.padding_side, tokenizer.truncation_side],
    }
    if getattr(tokenizer, "is_fast", False):
        whole = json.loads(tokenizer.backend_tokenizer.to_str())
        # Each call sets these two.
        return facts | {k: v for k, v in whole.items() if k not in ("truncation", "padding")}
    return facts | {"class": type(tokenizer).__name__, "vocabulary": tokenizer.get_vocab()}


def _evaluation_checksum(evaluation: Any) -> Any:
    if isinstance(evaluation, Mapping):
        return {name: _evaluation_checksum(part) for name, part in evaluation.items()}
    return dataset_checksum(evaluation) if isinstance(evaluation, datasets.Dataset) else None


def _model_facts(model: Any) -> dict[str, Any]:
    config = {
        name: value
        for name, value in json.loads(model.config.to_json_string(use_diff=False)).items()
        if name not in CHANGING and not name.startswith("_") and not name.endswith("_token_id")
    }
    for adapter in getattr(model, "peft_config", {}).values():
        facts = {name: value for name, value in adapter.to_dict().items() if name not in OF_PEFT}
        config |= {f"adapter.{name}": sorted(v) if isinstance(v, set) else str(v) for name, v in facts.items()}
    return {"class": type(model).__name__, "dtype": str(model.dtype), **config}


def _name_of(augmentation: Any) -> str:
    return str(getattr(augmentation, "__qualname__", None) or type(augmentation).__qualname__)


def _view_facts(augmentation: Any) -> str:
    """The name of a view, and the settings that it was made with and keeps under their names."""
    if inspect.isroutine(augmentation):
        return _name_of(augmentation)
    made_with = inspect.signature(type(augmentation)).parameters.keys() - NOT_DECISIVE
    kept = {name: value for name, value in getattr(augmentation, "__dict__", {}).items() if name in made_with}
    settings = ", ".join(f"{name}={setting}" for name, value in sorted(kept.items()) if (setting := _setting(value)))
    return f"{_name_of(augmentation)}({settings})" if settings else _name_of(augmentation)


def _setting(value: Any) -> str | None:
    if value is None or isinstance(value, bool | int | float | str):
        return repr(value)
    if isinstance(value, list | tuple):
        parts = [_setting(part) for part in value]
        return None if None in parts else f"[{', '.join(map(str, parts))}]"
    return _view_facts(value) if callable(value) else None


def _optimizer_facts(kind: Any, settings: Mapping[str, Any]) -> str | None:
    return None if kind is None else f"{_name_of(kind)} {json.dumps(settings, sort_keys=True, default=str)}"


def _flat(record: Mapping[str, Any]) -> dict[str, Any]:
    """Settings by their own names, all else by the name of its part."""
    flat = dict(record["settings"])
    for name, value in record.items():
        if name in ("model", "views", "versions"):
            flat |= {f"{name}.{key}": part for key, part in value.items()}
        elif name != "settings":
            flat[name] = value
    return flat


def _reason(name: str, now: Mapping[str, Any]) -> str | None:
    """Why a difference may be; ``None`` where it may not."""
    if name.startswith("versions."):
        return "results may differ from those of one release by rounding"
    if name == "evaluation_data" and not now.get("load_best_model_at_end"):
        return "figures before and after are of other data"
    return SAID.get(name)


def _format_change(name: str, before: Any, now: Any) -> str:
    if name.endswith("_data") or name == "processing_class":
        return f"{name} is another"
    return "{} was {!r}, is {!r}".format(name, *_differing(before, now))


def _differing(before: Any, now: Any) -> tuple[Any, Any]:
    """The two values, of long texts the part where they begin to differ."""
    if not isinstance(before, str) or not isinstance(now, str) or max(len(before), len(now)) <= SHOWN:
        return before, now
    pairs = enumerate(zip(before, now, strict=False))
    start = max(0, next((i for i, (a, b) in pairs if a != b), min(len(before), len(now))) - SHOWN // 4)
    shown = (text[start : start + SHOWN] for text in (before, now))
    first, second = (f"{'...' if start else ''}{part}..." for part in shown)
    return first, second

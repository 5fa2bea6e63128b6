"""The help of a method: flags with the values that a run will use, worked out as for the run itself."""

from __future__ import annotations

import contextlib
import io
import logging
import shutil
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import fields
from enum import Enum
from typing import Any

from ..catalog.summaries import first_lines
from ..config import SSLConfig
from ..errors import UserError
from ..methods import METHODS
from .arguments import parse_arguments
from .console import result
from .data.modality import modality_of_task
from .options import RecipeOptions
from .presets import fitting_preset
from .run.folder import RunFolder
from .run.resolved import ResolvedRun, resolve_run


__all__ = ["print_help"]

DATA = (
    *("train_file", "unlabeled_file", "validation_file", "validation_split", "test_file", "source", "num_labeled"),
    *("num_unlabeled", "num_validation", "num_test", "text_column", "image_column", "label_column", "noise"),
)
TRAINING = (
    *("max_steps", "num_train_epochs", "learning_rate", "head_learning_rate", "per_device_train_batch_size"),
    *("gradient_accumulation_steps", "warmup_steps", "lr_scheduler_type", "weight_decay", "warm_start_steps"),
    *("warm_start_learning_rate", "finetune_steps", "class_weights", "seed", "bf16", "eval_strategy", "eval_steps"),
    *("load_best_model_at_end", "output_dir", "overwrite", "resume_from_checkpoint", "preset", "config"),
)
MODEL = ("backend", "model", "head", "max_length", "truncation", "pretrain_steps", "embedding_cache")
VIEWS = ("strong", "second_view", "replace")
BASELINE = ("baseline", "baseline_steps", "baseline_learning_rate")
# Flags that mean nothing for another modality or backend.
ONLY = {
    "text": {"text_column", "max_length", "truncation", "pretrain_steps", "replace", "second_view"},
    "image": {"image_column"},
    "features": {"embedding_cache"},
}
# Flags of a view that not every method has.
NEEDS = {"strong": "strong", "replace": "strong", "second_view": "weak_2"}
OTHER_NAMES = {"output_dir": "-o, ", "num_labeled": "--labels, "}
# Settings whose texts in transformers are paragraphs.
TOLD = {
    "max_steps": "Optimizer steps; -1 counts num_train_epochs.",
    "num_train_epochs": "Passes over the unlabeled examples, where max_steps is -1.",
    "learning_rate": "Peak learning rate.",
    "per_device_train_batch_size": "Labeled examples in a batch.",
    "gradient_accumulation_steps": "Batches of a step.",
    "warmup_steps": "Steps, or share of the steps below 1, in which the learning rate rises.",
    "lr_scheduler_type": "How the learning rate falls.",
    "weight_decay": "Decay of the weights.",
    "seed": "Of labels that are drawn, batches, views and weights.",
    "bf16": "Compute in bfloat16.",
    "eval_strategy": "no, steps or epoch: when validation examples are evaluated during training.",
    "eval_steps": "Steps between two evaluations.",
    "load_best_model_at_end": "Keep the model of the best evaluation instead of the last one.",
    "output_dir": "Folder of the run.",
    "resume_from_checkpoint": "Go on from the newest finished checkpoint, or from the named one.",
}
# Columns: where the width of the terminal is not known, at most, and before the text of a flag.
WIDTH, MOST, INDENT = 110, 160, 42


def print_help(method: str, presets: Any, source: str, words: Sequence[str]) -> None:
    """Print the flags of a method and the values that they have in a run with these ``words``.

    Args:
        method: a key of ``METHODS``.
        presets: as for :func:`textssl.cli.recipe.train_recipe`.
        source: the data set, where the words name none.
        words: the command line; ``--help-all`` among them asks for all flags.

    Raises:
        UserError: a mistake in the other words.
    """
    preset, reason = fitting_preset()
    trainer_class = METHODS[method]
    rest = [word for word in words if word not in ("-h", "--help", "--help-all", "--json")]
    options, config = parse_arguments([RecipeOptions, trainer_class.config_class], presets, preset, rest)
    resolved, missing = _resolved(method, options, config, source)
    if resolved is not None:
        options, config = resolved.options, resolved.config
    modality = modality_of_task(options, source)
    machine = f" ({reason})" if options.preset == preset else ""
    lines = [
        f"usage: textssl train [LABELED [UNLABELED]] --method {method} [flags]",
        "",
        first_lines()[method],
        f"Values are those that this run will use: preset {options.preset}{machine}, {modality}, "
        f"{options.train_file or f'data {options.named_source(source)[0]}'}.",
    ]
    lines += [f"They were worked out without the data: {missing}"] if missing else []
    for title, names in _groups(method, options, config, modality, "--help-all" in words):
        lines += ["", title, *_table(names, options, config, resolved, "--help-all" in words)]
    lines += ["", "--json prints the results as JSON; --help-all lists all flags, those of transformers too."]
    result("\n".join(lines))


def _resolved(
    method: str, options: RecipeOptions, config: SSLConfig, source: str
) -> tuple[ResolvedRun | None, str | None]:
    """The run as it will be, and where it cannot be told the reason."""
    origin = "embedded" if options.train_file else options.named_source(source)[1]
    if origin != "embedded":
        return None, "they may be on the Hub, so that steps are not counted yet."
    run = RunFolder(str(config.output_dir), [options, config])
    try:
        # What there is to say about the data is said when they are used.
        logging.disable(logging.WARNING)
        with contextlib.redirect_stderr(io.StringIO()):
            return resolve_run(method, METHODS[method], options, config, source, run), None
    except UserError as error:
        return None, str(error)
    finally:
        logging.disable(logging.NOTSET)


def _groups(
    method: str, options: RecipeOptions, config: SSLConfig, modality: str, everything: bool
) -> Iterator[tuple[str, list[str]]]:
    """Titles and names of fields, in the order in which they are shown."""
    shared = {entry.name for entry in fields(SSLConfig)}
    own = [entry.name for entry in fields(config) if entry.name not in shared]
    if "unlabeled" in METHODS[method].objective_class.views_for(config):
        own.append("mu")
    backend = modality if options.backend == "auto" else options.backend
    wanted = ONLY.get(backend, set()) | ONLY.get(modality, set())
    without = set().union(*ONLY.values()) - wanted
    # Of named data alone, or of own files alone.
    without |= {"source", "num_validation", "noise"} if options.train_file else {"validation_split", "validation_file"}
    views = {view for names in METHODS[method].objective_class.views_for(config).values() for view in names}
    without |= {name for name, view in NEEDS.items() if view not in views} - options.explicit
    groups = [(method, own), ("data", DATA), ("training", TRAINING), ("model", MODEL), ("views", VIEWS)]
    groups += [("supervised baseline", BASELINE)] if method != "supervised" else []
    shown: set[str] = set()
    for title, names in groups:
        kept = [name for name in names if name not in without and name not in shown]
        shown |= {*kept}
        yield title, kept
    if everything:
        rest = [entry.name for kind in (RecipeOptions, SSLConfig) for entry in fields(kind) if entry.init]
        ours = {*SSLConfig.__annotations__, *(entry.name for entry in fields(RecipeOptions))}
        yield "more of textssl", [name for name in rest if name in ours and name not in shown]
        yield "transformers", [name for name in rest if name not in ours and name not in shown]


def _table(
    names: Sequence[str], options: RecipeOptions, config: SSLConfig, resolved: ResolvedRun | None, whole: bool
) -> Iterator[str]:
    """For each flag its name, its value and what it means: a line, or as many as it takes if ``whole``."""
    entries = {entry.name: entry for part in (config, options) for entry in fields(part)}
    lengths = {"max_steps": resolved.length, "baseline_steps": resolved.baseline} if resolved is not None else {}
    width = min(shutil.get_terminal_size((WIDTH, 50)).columns, MOST)
    for name in names:
        holder = options if name in RecipeOptions.__dataclass_fields__ else config
        flag = f"  {OTHER_NAMES.get(name, '')}--{name} {_shown(getattr(holder, name))}"
        told = TOLD.get(name) or str(entries[name].metadata.get("help", ""))
        told = " ".join(told.split()) if lengths.get(name) is None else f"{lengths[name]}."
        lines = textwrap.wrap(told, max(width - INDENT, 20)) or [""]
        if len(flag) > INDENT - 2:
            yield flag
            flag = ""
        yield f"{flag:<{INDENT}}{lines[0]}{' ...' if len(lines) > 1 and not whole else ''}".rstrip()
        if whole:
            yield from (f"{'':<{INDENT}}{line}" for line in lines[1:])


def _shown(value: Any) -> str:
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, float):
        return f"{value:g}"
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)

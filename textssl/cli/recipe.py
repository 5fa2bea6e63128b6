"""A whole recipe: the supervised baseline, a method on the same labels, one table.

How a setting, such as FixMatch's ``threshold``, gets from its flag to the loss:

1. ``parse_arguments``: preset and YAML file are defaults of the flags; the method's config checks the values.
2. ``resolve_run``: a copy of the config that fills in what depends on the data and its size; help shows the same.
3. ``TaskSetup``: refuses settings of another modality, before anything long; the trainer calls the same check.
4. ``trainer_factory``: a copy for each stage, with the folder of the stage; the trainer copies it once.
5. The objective reads ``args.threshold``. A mistake is a :class:`~textssl.errors.UserError` wherever it is found.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Mapping, Sequence
from copy import copy, deepcopy
from pathlib import Path
from typing import Any

from accelerate import PartialState

from ..config import SSLConfig, derive_config
from ..errors import UserError
from ..methods import METHODS
from ..methods.supervised import SupervisedConfig
from ..notices import recorded_warnings
from ..training.trainer import SSLTrainer
from ..training.truncation_report import TruncationReport
from .arguments import Preset, parse_arguments
from .console import say
from .help import print_help
from .options import RecipeOptions
from .presets import fitting_preset
from .quiet import silence_loaded_libraries
from .run.comparison import report_comparison
from .run.folder import RunFolder
from .run.plan import plan_lines, tell_truncated
from .run.progress import own_progress
from .run.report_data import run_command
from .run.resolved import ResolvedRun, resolve_run
from .run.stages import run_stage, save_split
from .run.timing import TRIAL, WORTH, estimate_line, few_steps
from .task_setups import TaskSetup, TextTaskSetup
from .task_setups.probe_head import head_line


__all__ = ["baseline_config", "train_recipe", "trainer_factory", "try_construction"]

PRETRAINING = "pretraining"


def train_recipe(
    method: str,
    presets: Mapping[str, Preset] | Callable[[Mapping[str, Any]], Mapping[str, Preset]],
    source: str = "imdb",
    argv: Sequence[str] | None = None,
    prepared: Path | None = None,
) -> dict[str, dict[str, Any]]:
    """Train the baseline, train the method, print one table; see ``--help`` of any recipe.

    Args:
        method: a key of ``METHODS``.
        presets: settings by name, ``cpu`` and ``paper``; or what gives them, from the flags.
        source: the data set, unless ``--source`` or own files name another.
        argv: the command line; ``sys.argv[1:]`` by default.
        prepared: folder of translations that several runs share; by default that of the run.

    Returns:
        The result of each stage by its name, the method's last.

    Raises:
        UserError: settings, data or a model that cannot work, before any training.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    if {"-h", "--help", "--help-all"} & {*words}:
        print_help(method, presets, source, words)
        return {}
    as_json, words = "--json" in words, [word for word in words if word != "--json"]
    silence_loaded_libraries()
    with recorded_warnings() as warned, own_progress():
        return _trained(method, presets, source, words, argv, as_json, prepared, warned)


def _trained(
    method: str,
    presets: Mapping[str, Preset] | Callable[[Mapping[str, Any]], Mapping[str, Preset]],
    source: str,
    words: list[str],
    argv: Sequence[str] | None,
    as_json: bool,
    prepared: Path | None,
    warned: Sequence[str],
) -> dict[str, dict[str, Any]]:
    preset, reason = fitting_preset()
    trainer_class = METHODS[method]
    options, config = parse_arguments([RecipeOptions, trainer_class.config_class], presets, preset, words)
    run = RunFolder(config.output_dir, [options, config], config.resume_from_checkpoint, options.overwrite)
    say(f"preset {options.preset}" + (f": {reason}" if options.preset == preset else ""))
    resolved = resolve_run(method, trainer_class, options, config, source, run)
    options, config, data = resolved.options, resolved.config, resolved.data
    kind = resolved.setup_class(options, config, data, set(resolved.views))
    if options.pretrain_steps:
        _check_pretraining(method, options, kind, run.path / PRETRAINING)
    if PartialState().is_main_process:
        run.claim(strong_view=kind.strong, method=method, **kind.circumstances())
        save_split(data, run)
    say(f"{method}; {data.describe()}; strong view: {kind.strong}; model: {kind.model_name}")
    if kind.head is not None:
        say(head_line(kind.head, data))
    for line in plan_lines(resolved):
        say(line)
    tell_truncated(resolved, kind.reads)
    # Before the baseline, so that a missing translator is reported before anything long.
    kind.prepare(run.path if prepared is None else prepared)
    if run.stage_result(method) is None:
        try_construction(trainer_factory(trainer_class, config, kind, push_to_hub=False), run.path, kind)
        if prepared is None:
            # A program of several runs tells the time that is left itself.
            _say_how_long(resolved, kind, run)
    results = _baselines(method, run, kind, options, config) if options.baseline else {}
    takes_probs = trainer_class.objective_class.takes_probs
    if "supervised" in results and takes_probs and getattr(config, "teacher", None) is None:
        # The baseline is the teacher that would be trained first.
        config = derive_config(config, type(config), teacher=str(run.path / "supervised"))
    if isinstance(kind, TextTaskSetup) and options.pretrain_steps:
        kind.pretrain(run.path / PRETRAINING, run.checkpoint(PRETRAINING))
    make = trainer_factory(trainer_class, config, kind)
    command = run_command(["textssl", "train", "--method", method], argv, config)
    return report_comparison(run, method, make, results, kind, options, config, command, warned, as_json)


def _say_how_long(resolved: ResolvedRun, kind: TaskSetup, run: RunFolder) -> None:
    """Try a few steps of the baseline and of the method, and say what that makes."""
    steps = resolved.length.steps + (0 if resolved.baseline is None else resolved.baseline.steps)
    if steps < WORTH or run.resume:
        return
    trial = copy(kind)
    # Some adapt while they are used.
    trial.augmentations = deepcopy(kind.augmentations)
    baseline = baseline_config(resolved.options, resolved.config, resolved.length.steps)
    supervised = few_steps(trainer_factory(METHODS["supervised"], baseline, trial, **TRIAL))
    objective = resolved.trainer_class.objective_class
    own = supervised if resolved.method == "supervised" else None
    if own is None and not objective.takes_probs and objective.scored is None:
        own = few_steps(trainer_factory(resolved.trainer_class, resolved.config, trial, **TRIAL))
    say(estimate_line(resolved, supervised, own))


def _baselines(
    method: str, run: RunFolder, kind: TaskSetup, options: RecipeOptions, config: SSLConfig
) -> dict[str, dict[str, Any]]:
    """What the method is compared with: the probe that its head begins as, and the supervised baseline."""
    results = {}
    if kind.head == "probe":
        make = trainer_factory(METHODS["supervised"], baseline_config(options, config), kind)
        results["probe"] = run_stage(run, "probe", make, kind.data, train=False)
    if method != "supervised":
        make = trainer_factory(METHODS["supervised"], baseline_config(options, config), kind)
        results["supervised"] = run_stage(run, "supervised", make, kind.data)
    return results


def _check_pretraining(method: str, options: RecipeOptions, kind: TaskSetup, folder: Path) -> None:
    prefix = f"pretrain_steps: got {options.pretrain_steps}; "
    if not isinstance(kind, TextTaskSetup):
        raise UserError(f"{prefix}it is for models that read texts")
    if method == "in_domain_pretraining":
        raise UserError(f"{prefix}{method} has pretraining_steps of its own")
    kind.check_pretraining(folder)


def baseline_config(options: RecipeOptions, config: SSLConfig, steps: int | None = None) -> SupervisedConfig:
    """The config of the supervised baseline, with the given number of steps; all else is that of the method."""
    return derive_config(
        config,
        SupervisedConfig,
        max_steps=options.baseline_steps if steps is None else steps,
        learning_rate=options.baseline_learning_rate,
        warm_start_steps=0,
        finetune_steps=0,
        push_to_hub=False,
    )


def try_construction(make: Callable[[Path], SSLTrainer], folder: Path, kind: TaskSetup) -> None:
    """Before the baseline is trained, have all checked that the method's trainer checks, and the held-out data."""
    trainer = make(folder)
    trainer.get_train_dataloader()
    if kind.data.test is not None:
        trainer.get_eval_dataloader(kind.data.test)
    del trainer
    # Its callbacks know it: by itself the copy of the model would stay on the device for a while.
    gc.collect()


def trainer_factory(
    trainer_class: type[SSLTrainer], config: SSLConfig, kind: TaskSetup, **changes: Any
) -> Callable[[Path], SSLTrainer]:
    """What builds the trainer of a stage, given its folder.

    Args:
        trainer_class: of the method.
        config: the run's.
        kind: how the data are trained on.
        **changes: settings of the stage that are not the run's.
    """
    second = trainer_class.second_network_argument

    def make(folder: Path) -> SSLTrainer:
        # By itself a trainer would copy the first network's encoder, which may be drawn at random too.
        others: dict[str, Any] = {}
        if second is not None and getattr(config, second, None) is None:
            others[second] = kind.make_model(of=1)
        trainer = trainer_class(
            kind.make_model(),
            kind.trainer_config(config, output_dir=str(folder), data_check="off", **changes),
            kind.data.labeled,
            kind.data.unlabeled,
            eval_dataset=kind.data.validation,
            processing_class=kind.processing_class,
            augmentations=kind.augmentations,
            **others,
        )
        # The plan says it.
        trainer.remove_callback(TruncationReport)
        trainer.exported = kind.exported
        return trainer

    return make

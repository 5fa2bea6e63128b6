"""What a run will use, worked out once: shown by ``--help``, said before training, and trained with."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ...config import SSLConfig, derive_config
from ...training.trainer import SSLTrainer
from ..data.loading import load_task
from ..data.task_data import TaskData
from ..options import RecipeOptions
from ..task_setups import TaskSetup, task_setup_class
from ..task_setups.text_models import token_limit
from .config import run_config
from .folder import RunFolder
from .schedule import Length, baseline_length, fitted, method_length, scheduled


__all__ = ["ResolvedRun", "resolve_run"]


@dataclass(frozen=True)
class ResolvedRun:
    """Settings in which nothing is open any more.

    Attributes:
        method: a key of ``METHODS``.
        trainer_class: of the method.
        options: the recipe's, with the baseline's steps.
        config: the method's, with the paper's values for the modality and the steps that passes make.
        data: of the task.
        length: of the method's training.
        baseline: length of the supervised baseline; ``None`` where there is none.
        setup_class: how the data are trained on.
        views: names of the method's views.
        notes: for a person: what became of values of the preset that clash with the person's or the data.
    """

    method: str
    trainer_class: type[SSLTrainer]
    options: RecipeOptions
    config: SSLConfig
    data: TaskData
    length: Length
    baseline: Length | None
    setup_class: type[TaskSetup]
    views: frozenset[str]
    notes: tuple[str, ...]


def resolve_run(
    method: str,
    trainer_class: type[SSLTrainer],
    options: RecipeOptions,
    config: SSLConfig,
    source: str,
    run: RunFolder,
) -> ResolvedRun:
    """Load the data, and fill in all that depends on them.

    Args:
        method: a key of ``METHODS``.
        trainer_class: of the method.
        options: the recipe's.
        config: the method's.
        source: the data set, where ``options`` name none.
        run: the run's folder.

    Raises:
        UserError: data or settings that cannot work.
    """
    by_stream = trainer_class.objective_class.views_for(config)
    reads_unlabeled = "unlabeled" in by_stream
    data = load_task(options, config, source, reads_unlabeled)
    setup_class = task_setup_class(options, data)
    config = run_config(options, config, data, setup_class.modality.name, run)
    config, notes = _within_the_model(options, config, data)
    length, about_length = fitted(options, config, method_length(options, config, data, reads_unlabeled))
    config, about_steps = scheduled(options, config, length, len(data.labeled))
    baseline = None
    if options.baseline and method != "supervised":
        baseline = baseline_length(options, config, data)
        explicit, told = options.explicit, options.notes
        options = replace(options, baseline_steps=baseline.steps)
        options.explicit, options.notes = explicit, told
    return ResolvedRun(
        method=method,
        trainer_class=trainer_class,
        options=options,
        config=config,
        data=data,
        length=length,
        baseline=baseline,
        setup_class=setup_class,
        views=frozenset(view for names in by_stream.values() for view in names),
        notes=(*options.notes, *notes, *about_length, *about_steps),
    )


def _within_the_model(options: RecipeOptions, config: SSLConfig, data: TaskData) -> tuple[SSLConfig, list[str]]:
    """With a ``max_length`` of the preset that is no more than the model reads."""
    if data.modality != "text" or "max_length" in options.explicit:
        return config, []
    limit = token_limit(options.model)
    if limit is None or config.max_length <= limit:
        return config, []
    note = f"max_length: {limit} instead of {config.max_length}, to go with model {options.model}"
    return derive_config(config, type(config), max_length=limit), [note]

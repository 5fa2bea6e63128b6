"""``hyperparameter_search`` over the settings of a method and of Trainer."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from typing import Any

from transformers import Trainer
from transformers.hyperparameter_search import ALL_HYPERPARAMETER_SEARCH_BACKENDS
from transformers.trainer_utils import HPSearchBackend

from ..errors import UserError
from .checkpointing_trainer import CheckpointingTrainer
from .divergence import DivergedError
from .model_init import new_model


__all__ = ["SearchableTrainer"]

logger = logging.getLogger(__name__)

Space = Callable[[Any], dict[str, Any]]

# Settings that are read when the trainer is made, or that say where it writes.
SETTLED = (
    *("feature_column", "image_column", "label_column", "probabilities_column", "text_column", "text_pair_column"),
    *("output_dir", "report_to", "teacher", "use_cpu"),
)


class SearchableTrainer(CheckpointingTrainer):
    """A trainer whose trials begin with a new model and a new objective of the trial's settings."""

    # While a search runs: what the backend sees in place of the trainer.
    _search: _Searched | None = None

    def hyperparameter_search(
        self,
        hp_space: Space | None = None,
        compute_objective: Callable[[dict[str, float]], float] | None = None,
        n_trials: int = 20,
        direction: str | list[str] = "minimize",
        backend: str | None = None,
        hp_name: Callable[[Any], str] | None = None,
        **kwargs: Any,
    ) -> Any:
        """Search for settings with optuna, as ``transformers.Trainer.hyperparameter_search`` does.

        Each trial begins with the settings that the trainer was made with, changed by what ``hp_space`` returns; its
        checkpoints lie in ``output_dir/run-<number>``. Afterwards the settings are as before the search, and there
        is no model: set the best ones on ``trainer.args`` and train.

        Args:
            hp_space: of a trial, the names and values of settings: those of ``TrainingArguments`` and the method's.
            compute_objective: of the metrics, the figure that counts; by default the sum of ``compute_metrics``.
            n_trials: number of trials.
            direction: ``"minimize"`` or ``"maximize"``, or a list of them where the figure is a list.
            backend: ``"optuna"``.
            hp_name: of a trial, the name of its folder.
            **kwargs: for ``optuna.create_study`` and ``Study.optimize``.

        Returns:
            Trainer's ``BestRun``, or a list of them.

        Raises:
            UserError: no ``model_init``, another backend, a setting that is unknown or whose value is out of range.
        """
        self._check_search(backend, kwargs)
        space = ALL_HYPERPARAMETER_SEARCH_BACKENDS[HPSearchBackend.OPTUNA]().default_hp_space
        space = space if hp_space is None else hp_space
        before = dict(vars(self.args))

        def changed(trial: Any) -> dict[str, Any]:
            vars(self.args).update(before)
            return self._checked_settings(space(trial))

        self._search = _Searched(self)
        more = (compute_objective, n_trials, direction, "optuna", hp_name)
        try:
            return Trainer.hyperparameter_search(self._search, changed, *more, **kwargs)  # type: ignore[arg-type]
        finally:
            self._search = self.hp_search_backend = None
            vars(self.args).update(before)

    def _check_search(self, backend: str | None, kwargs: dict[str, Any]) -> None:
        if self.model_init is None:
            raise UserError("model_init: got None; a search begins each trial with a new model, which it makes")
        if backend not in (None, "optuna"):
            raise UserError(f"backend: got {str(backend)!r}; allowed: optuna")
        if not ALL_HYPERPARAMETER_SEARCH_BACKENDS[HPSearchBackend.OPTUNA].is_available():
            raise UserError("backend: optuna is not installed; pip install 'textssl[search]'")
        if kwargs.get("n_jobs", 1) != 1:
            raise UserError(f"n_jobs: got {kwargs['n_jobs']}; a trainer runs one trial at a time, so it must be 1")

    def _checked_settings(self, settings: dict[str, Any]) -> dict[str, Any]:
        known = {entry.name for entry in fields(self.args)}
        for name in settings:
            if name not in known:
                raise UserError(f"hp_space: got {name!r}; {type(self.args).__name__} has no such setting")
            if name in SETTLED:
                raise UserError(f"hp_space: got {name!r}, which is fixed when the trainer is made")
        return settings

    def _hp_search_setup(self, trial: Any) -> None:
        # Once for each trial, before its model is made: Trainer would do so again, over settings that are resolved.
        if trial is None or getattr(self, "_trial", None) is not trial:
            super()._hp_search_setup(trial)

    def _report_to_hp_search(self, trial: Any, step: int, metrics: dict[str, float]) -> None:
        if self._search is not None:
            Trainer._report_to_hp_search(self._search, trial, step, metrics)  # type: ignore[arg-type]

    def train(  # type: ignore[override]  # what else Trainer takes is handed through
        self, resume_from_checkpoint: str | bool | None = None, trial: Any = None, **kwargs: Any
    ) -> Any:
        """Train; with ``resume_from_checkpoint=True`` go on from the newest finished checkpoint.

        A run that had taken its last step takes none. With ``model_init`` each training begins with a new model.

        Raises:
            UserError: the checkpoint is missing, unfinished or damaged.
        """
        with new_model(self, trial), _pruned(trial):
            return super().train(resume_from_checkpoint, trial=trial, **kwargs)


@contextmanager
def _pruned(trial: Any) -> Iterator[None]:
    """A trial that diverges has no figure, and the search goes on."""
    try:
        yield
    except DivergedError as error:
        if trial is None:
            raise
        from optuna import TrialPruned

        logger.warning("%s", error)
        raise TrialPruned(str(error)) from error


class _Searched:
    """A trainer as a backend sees it: there ``objective`` is a trial's figure, and here it is the method."""

    objective: Any

    def __init__(self, trainer: SearchableTrainer) -> None:
        vars(self).update(trainer=trainer, objective=None)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.trainer, name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "objective":
            vars(self)[name] = value
        else:
            setattr(self.trainer, name, value)

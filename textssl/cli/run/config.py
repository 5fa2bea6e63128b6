"""The config of a recipe's run: built once from the user's settings and the data."""

from __future__ import annotations

from typing import Any, TypeVar

from transformers import IntervalStrategy

from ...config import SSLConfig, derive_config
from ...hub import check_push_target
from ..data.task_data import TaskData
from ..options import RecipeOptions
from .folder import RunFolder
from .no_validation import check_without_validation


__all__ = ["run_config"]

C = TypeVar("C", bound=SSLConfig)


def run_config(options: RecipeOptions, config: C, data: TaskData, modality: str, run: RunFolder) -> C:
    """A copy of ``config`` that all parts of the run read; ``config`` stays as it was.

    Open fields take the paper's values for the modality. Without validation data the evaluation during training that
    a preset asks for is switched off, which is said; images that may be mirrored are; reviews that are too long lose
    their start; a relative threshold becomes one; the repository of a push has its whole name.

    Args:
        options: the recipe's.
        config: what a person asked for.
        data: of the task.
        modality: of the model: ``"text"``, ``"image"`` or ``"features"``.
        run: the run's folder.

    Raises:
        UserError: an evaluation or a best model is asked for without validation data; a push that would fail after
            training: no token, or the Hub is out of reach.
    """
    changes: dict[str, Any] = {}
    if data.validation is None:
        check_without_validation(options, config)
        changes["eval_strategy"] = IntervalStrategy.NO
    if modality == "image" and data.flip:
        changes["horizontal_flip"] = True
    if modality == "text" and not {"truncation", "keep_end"} & options.explicit:
        changes["truncation"] = data.truncation
    if options.relative_threshold is not None and hasattr(config, "threshold") and "threshold" not in options.explicit:
        chance = 1 / len(data.label_names)
        changes["threshold"] = chance + options.relative_threshold * (1 - chance)
    if config.push_to_hub:
        wanted = config.hub_model_id or run.path.resolve().name
        changes["hub_model_id"] = check_push_target(wanted, config.hub_token)
    return derive_config(config, type(config), **config.paper_values(modality) | changes)

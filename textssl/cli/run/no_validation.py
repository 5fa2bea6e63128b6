"""What becomes of the evaluation during training without validation data."""

from __future__ import annotations

from transformers import IntervalStrategy

from ...config import SSLConfig
from ...errors import UserError
from ..console import say
from ..options import RecipeOptions


__all__ = ["check_without_validation"]


def check_without_validation(options: RecipeOptions, config: SSLConfig) -> None:
    """Say that there will be no evaluation, where a preset asks for one.

    Raises:
        UserError: a person asked for it, or for the best model.
    """
    remedy = "--num_validation 500" if options.train_file is None else "--validation_split 0.2 or a --validation_file"
    if config.load_best_model_at_end:
        raise UserError(
            "load_best_model_at_end: got True; there is no validation data to select the best model; "
            f"{remedy} gives some"
        )
    if config.eval_strategy == IntervalStrategy.NO:
        return
    if "eval_strategy" in options.explicit:
        message = f"eval_strategy: got {IntervalStrategy(config.eval_strategy).value!r}; there is no validation data"
        raise UserError(f"{message}, {remedy} gives some")
    say(f"no validation data: training is not followed by an evaluation; {remedy} gives some")

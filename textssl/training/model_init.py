"""``model_init``: each training begins with a new model, and with all that is made of it."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from typing import Any

from transformers import PreTrainedModel, enable_full_determinism, set_seed
from transformers.trainer_pt_utils import LabelSmoother

from ..data.class_names import share_names
from ..errors import UserError


__all__ = ["adopt_labels", "filled_settings", "first_model", "given_or_copied", "new_model"]


def first_model(trainer: Any, model: PreTrainedModel | None, args: Any, optimizers: Any) -> PreTrainedModel:
    """The model that a trainer is made with: the one given, or the first of ``trainer.model_init``.

    Args:
        trainer: whose ``model_init`` is set.
        model: what its maker gave.
        args: the config; a new model is made after its seed.
        optimizers: what its maker gave: they hold the parameters of a model, so that no new one can have them.

    Raises:
        UserError: a model and ``model_init``, or neither; ``model_init`` and an optimizer; a ``model_init`` that
            takes other arguments than a trial or makes no model.
    """
    if trainer.model_init is None:
        if model is None:
            raise UserError("model: got None; expected a classifier, or model_init, which makes one")
        return model
    if model is not None:
        raise UserError("model_init: got one and a model; expected one of the two")
    if optimizers is not None and any(part is not None for part in optimizers):
        raise UserError("optimizers: got one and model_init; each new model needs its own: optimizer_cls_and_kwargs")
    _seed(args)
    return _made(trainer, None)


@contextmanager
def new_model(trainer: Any, trial: Any) -> Iterator[None]:
    """A training: a trainer that has ``model_init`` gets a new model first, and Trainer makes no other.

    Args:
        trainer: one without ``model_init`` keeps its model.
        trial: of a search, whose settings are in force from here on.

    Raises:
        UserError: settings of a trial that cannot work; a model of another number of classes.
    """
    model_init = trainer.model_init
    if model_init is None:
        yield
        return
    trainer._hp_search_setup(trial)
    args = trainer.args
    # What a person left open is so again: a trial may have set something beside which it takes another value.
    for name, (left_open, value) in trainer.filled.items():
        if getattr(args, name) == value:
            setattr(args, name, left_open)
    args.check_again()
    _seed(args)
    model = _made(trainer, trial)
    if trainer.place_model_on_device:
        trainer._move_model_to_device(model, args.device)
    # Trainer reads these when it is made.
    trainer.neftune_noise_alpha = args.neftune_noise_alpha
    smoothing = args.label_smoothing_factor
    trainer.label_smoother = LabelSmoother(epsilon=smoothing) if smoothing else None
    trainer.model = trainer.model_wrapped = model
    trainer.optimizer = trainer.lr_scheduler = None
    trainer.rebuild_for_model(model)
    trainer.model_init = None
    try:
        yield
    finally:
        trainer.model_init = model_init


def given_or_copied(trainer: Any, network: PreTrainedModel) -> PreTrainedModel:
    """A network that a person gave, or a copy where a training may begin anew and needs it as it was."""
    again = trainer.model_init is not None or trainer.args.auto_find_batch_size
    return copy.deepcopy(network) if again else network


def filled_settings(given: Any, resolved: Any) -> dict[str, tuple[Any, Any]]:
    """Settings that were left open: each as it was given, and what it came to be."""
    pairs = {entry.name: (getattr(given, entry.name), getattr(resolved, entry.name)) for entry in fields(given)}
    return {name: pair for name, pair in pairs.items() if pair[0] in (None, "auto") and pair[1] != pair[0]}


def adopt_labels(config: Any, known: Any) -> None:
    """Give a new model's config the classes of the first, whose names the data were read with.

    Raises:
        UserError: other classes, or another number of them.
    """
    if config.num_labels != known.num_labels:
        raise UserError(f"model_init: made a model of {config.num_labels} classes; the first had {known.num_labels}")
    share_names("model_init", config, known)


def _seed(args: Any) -> None:
    enable_full_determinism(args.seed) if args.full_determinism else set_seed(args.seed)


def _made(trainer: Any, trial: Any) -> PreTrainedModel:
    try:
        model: PreTrainedModel = trainer.call_model_init(trial)
    except RuntimeError as error:
        # Trainer's own words for a wrong number of arguments, or no model.
        if "model_init should" not in str(error):
            raise
        raise UserError(f"model_init: {error}") from error
    return model

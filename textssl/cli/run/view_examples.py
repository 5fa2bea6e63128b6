"""Unlabeled examples beside the views that a training made of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...augment import Augmentation
from ...data.sampler import UNLABELED, Key
from ...data.view_contents import view_content
from ...data.views import view_rng
from ...report.items import item_of
from ...report.parts import ViewExample
from ...training.trainer import SSLTrainer
from ..task_setups import TaskSetup


__all__ = ["view_examples"]


def view_examples(trainer: SSLTrainer, kind: TaskSetup, count: int) -> tuple[ViewExample, ...]:
    """The first unlabeled examples of a training, each with the views that it saw of them.

    A view is a function of the seed, the example, the number of the visit and the view's name alone, so it is made
    again. One that follows rates which training moves is shown by the rates as they are now.

    Args:
        trainer: after training.
        kind: how the data were trained on.
        count: at most so many.

    Returns:
        None of a method without unlabeled views, or whose views are of numbers that nobody can look at.
    """
    collator, data = trainer.data_collator, trainer.train_dataset
    if data.unlabeled is None:
        return ()
    if trainer.modality.name == "features":
        return () if kind.text_view is None else _of_embedded_texts(trainer, kind, kind.text_view, count)
    found = []
    for key in _first_keys(trainer, count):
        example = data[key].example
        views = [(view, _view(trainer, view, example, key)) for view in collator.views["unlabeled"]]
        if any(made is None for _, made in views):
            return ()
        original = item_of(collator.content(example))
        found.append(ViewExample(original, tuple((view, item_of(made)) for view, made in views)))
    return tuple(found)


def _of_embedded_texts(
    trainer: SSLTrainer, kind: TaskSetup, text_view: Augmentation, count: int
) -> tuple[ViewExample, ...]:
    """Texts beside the changed version whose embedding was the strong view; noise on a vector cannot be shown."""
    collator, column, found = trainer.data_collator, kind.given.column, []
    for key in _first_keys(trainer, count):
        example = trainer.train_dataset[key].example
        vector = collator.augmentations["strong"](example, view_rng(collator.seed, key, "strong"))[collator.column]
        versions = [name for name in example if name.startswith(f"{collator.column}_strong_")]
        version = next(k for k, name in enumerate(versions) if np.array_equal(example[name], vector))
        # As `embed_views` changed it.
        changed = text_view(example, np.random.default_rng([kind.config.seed, key.index, version]))[column]
        found.append(ViewExample(item_of(example[column]), (("strong", item_of(changed)),)))
    return tuple(found)


def _first_keys(trainer: SSLTrainer, count: int) -> list[Key]:
    """The unlabeled ones of the first batches, each example once."""
    if not hasattr(trainer, "sampler"):
        trainer.get_train_dataloader()
    keys: dict[int, Key] = {}
    for number in range(len(trainer.sampler)):
        for key in trainer.sampler.batch(number):
            if key.stream == UNLABELED and len(keys) < count:
                keys.setdefault(key.index, key)
        if len(keys) >= count:
            break
    return list(keys.values())


def _view(trainer: SSLTrainer, view: str, example: dict[str, Any], key: Key) -> Any:
    """What the model saw, before it was encoded; ``None`` where that cannot be shown."""
    collator = trainer.data_collator
    augment = collator.augmentations.get(view)
    return view_content(augment, example, view_rng(collator.seed, key, view), collator.content)

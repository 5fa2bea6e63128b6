"""Warns before training about views that leave most examples unchanged: a method would learn nothing from them."""

from __future__ import annotations

import copy
import logging
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import datasets
import numpy as np

from ..notices import warn_once
from .each_side import EachSide
from .plans import PLAN, LateAugmentation
from .views import Augmentation, Chain, Example, Identity, OneOf


__all__ = ["unchanged_share", "warn_if_unchanged"]

logger = logging.getLogger(__name__)

# Seconds for all views of a trainer, and the fewest examples for which a share is reported.
SECONDS = 0.5
FEWEST = 5


def warn_if_unchanged(
    augmentations: Mapping[str, Augmentation],
    views: Sequence[str],
    dataset: datasets.Dataset,
    columns: str | Sequence[str],
    rows: int,
) -> None:
    """Log a warning, once, for each view that leaves more than half of a sample as it is.

    Nothing is changed by it: augmentations are tried as copies, and the global random states are put back. One that
    cannot be copied, fails, or is slow is passed over; training will say what is wrong with it.

    Args:
        augmentations: for each view how it is made.
        views: of the unlabeled examples.
        dataset: the unlabeled examples.
        columns: what is compared: a column, or those of both texts of a pair.
        rows: most examples that are tried.
    """
    tried: dict[int, str] = {}
    for view in sorted(views):
        augmentation = augmentations.get(view)
        if augmentation is not None and not isinstance(augmentation, Identity):
            tried.setdefault(id(augmentation), view)
    if not tried or not rows or not len(dataset):
        return
    end = time.perf_counter() + SECONDS
    sample = np.random.default_rng(0).choice(len(dataset), min(rows, len(dataset)), replace=False)
    chosen = dataset[np.sort(sample).tolist()]
    examples = [dict(zip(chosen, values, strict=True)) for values in zip(*chosen.values(), strict=True)]
    for view in tried.values():
        kept, number = unchanged_share(augmentations[view], examples, columns, end)
        if number >= FEWEST and 2 * kept > number:
            warn_once(
                logger,
                f"augmentations: {view!r} ({_name(augmentations[view])}) leaves {kept} of {number} unlabeled examples "
                f"as they are ({kept / number:.0%}). A view that changes nothing teaches nothing; choose another "
                "augmentation for these data",
            )
        elif number >= FEWEST and not isinstance(columns, str):
            _warn_of_unchanged_sides(augmentations[view], view, examples[:number], columns)


def unchanged_share(
    augmentation: Augmentation, examples: Sequence[Example], columns: str | Sequence[str], end: float = float("inf")
) -> tuple[int, int]:
    """How many examples an augmentation leaves as they are, and how many were tried: 0 and 0 if it cannot be tried.

    Args:
        augmentation: any; it is tried as a copy.
        examples: what it is tried on, each with an rng of its own.
        columns: what is compared: a column, or several all of which must stay.
        end: when to stop, by ``time.perf_counter``.
    """
    compared = [columns] if isinstance(columns, str) else columns
    kept = number = 0
    try:
        with _global_states_kept():
            repeatable = _repeatable(augmentation)
            for row, example in enumerate(examples):
                if time.perf_counter() > end:
                    break
                changed = _changed(repeatable, example, row)
                kept += all(_same(example[column], changed[column]) for column in compared)
                number += 1
    except Exception:
        logger.debug("augmentations: %s cannot be tried beforehand", _name(augmentation), exc_info=True)
        return 0, 0
    return kept, number


def _warn_of_unchanged_sides(
    augmentation: Augmentation, view: str, examples: Sequence[Example], columns: Sequence[str]
) -> None:
    """Warn of a view of pairs that never changes one of the two texts."""
    for column in columns:
        kept, number = unchanged_share(augmentation, examples, column, time.perf_counter() + SECONDS)
        if kept == number >= FEWEST:
            warn_once(
                logger,
                f"augmentations: {view!r} ({_name(augmentation)}) leaves each {column!r} of {number} unlabeled pairs "
                "as it is; textssl.augment.EachSide changes both texts",
            )


def _changed(augmentation: Augmentation, example: Example, row: int) -> Example:
    changed = augmentation(dict(example), np.random.default_rng([0, row]))
    if PLAN not in changed:
        return changed
    if not isinstance(augmentation, LateAugmentation):
        raise ValueError("it acts on the device only")
    return augmentation.finish([changed[PLAN]])[0]


def _repeatable(augmentation: Augmentation) -> Augmentation:
    """A copy whose calls leave no trace in the original."""
    if getattr(augmentation, "is_slow", False):
        raise ValueError("it is slow")
    if isinstance(augmentation, Chain | OneOf):
        copied = copy.copy(augmentation)
        name = "steps" if isinstance(augmentation, Chain) else "choices"
        setattr(copied, name, [_repeatable(part) for part in getattr(augmentation, name)])
        return copied
    if isinstance(augmentation, EachSide):
        return EachSide(_repeatable(augmentation.augmentation), augmentation.columns)
    # Those of this package are pure functions but for plain counters, and their tables are large.
    ours = type(augmentation).__module__.startswith("textssl.")
    return copy.copy(augmentation) if ours else copy.deepcopy(augmentation)


def _same(old: Any, new: Any) -> bool:
    if old is new:
        return True
    if isinstance(old, str):
        return isinstance(new, str) and str(old) == str(new)
    return np.array_equal(np.asarray(old), np.asarray(new))


def _name(augmentation: Augmentation) -> str:
    if isinstance(augmentation, EachSide):
        return _name(augmentation.augmentation)
    return getattr(augmentation, "__name__", type(augmentation).__name__)


@contextmanager
def _global_states_kept() -> Iterator[None]:
    import torch

    states = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])

"""Repeated stratified folds of few labels, every one of which trains on every class."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


__all__ = ["Fold", "make_folds"]

MOST_FOLDS = 5
TRAININGS = 10
# So many labels tell candidates apart without a second repetition.
ENOUGH_LABELS = 1000


@dataclass(frozen=True, eq=False)
class Fold:
    """A part of the labeled examples that is held out, and the rest, which is trained on.

    Attributes:
        repetition: which division into folds it belongs to, from 0.
        number: of the fold within the division, from 0.
        train: rows to train on, int64, sorted.
        held_out: rows to score, int64, sorted; no row is in two folds of one repetition.
    """

    repetition: int
    number: int
    train: np.ndarray
    held_out: np.ndarray


def make_folds(labels: np.ndarray, seed: int) -> tuple[Fold, ...]:
    """Divide labeled examples into folds, several times over.

    The examples of a class are dealt out to the folds in turn, so that folds differ by at most one example, as a
    whole and of each class. There are five folds, fewer where classes are small: the size of the class that the
    median example belongs to, at least two. About ten trainings in all: five folds twice, two folds five times.
    Above 1,000 labels one division is enough.

    The only label of a class is never held out, for a classifier that was trained without it could not know the
    class: it is among the trained rows of every fold, and no fold tells how well the class is recognised.

    Args:
        labels: class numbers ``[N]``.
        seed: of the divisions.

    Returns:
        All folds, division by division; none where every class has one label.
    """
    labels = np.asarray(labels, dtype=np.int64)
    sizes = np.bincount(labels)[labels] if len(labels) else labels
    usable = np.flatnonzero(sizes > 1)
    if not len(usable):
        return ()
    count = int(np.clip(np.median(sizes[usable]), 2, min(MOST_FOLDS, len(usable))))
    repetitions = 1 if len(labels) >= ENOUGH_LABELS else TRAININGS // count
    folds = []
    for repetition in range(repetitions):
        numbers = _deal(labels, usable, count, np.random.default_rng([seed, repetition]))
        for number in range(count):
            held_out = np.flatnonzero(numbers == number)
            folds.append(Fold(repetition, number, np.flatnonzero(numbers != number), held_out))
    return tuple(folds)


def _deal(labels: np.ndarray, usable: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """The fold that holds out each row, ``[N]``; -1 for rows that are always trained on."""
    numbers = np.full(len(labels), -1)
    # Shuffled within each class and dealt class by class: consecutive rows of a class go to different folds.
    shuffled = rng.permutation(usable)
    ordered = shuffled[np.argsort(labels[shuffled], kind="stable")]
    numbers[ordered] = (np.arange(len(ordered)) + rng.integers(count)) % count
    return numbers

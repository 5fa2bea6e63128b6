"""Folds of few labels: a partition of what can be held out, balanced, and every class trained on in each."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textssl.fit.folds import make_folds


@given(st.lists(st.integers(0, 6), min_size=1, max_size=60), st.integers(0, 5))
@settings(deadline=None, max_examples=200)
def test_any_labels(drawn: list[int], seed: int) -> None:
    labels = np.array(drawn)
    counts = np.bincount(labels)
    several = np.flatnonzero(counts[labels] > 1)
    folds = make_folds(labels, seed)
    assert bool(folds) == bool(len(several))
    for repetition in {fold.repetition for fold in folds}:
        own = [fold for fold in folds if fold.repetition == repetition]
        assert 2 <= len(own) <= 5
        # Every label that is not the only one of its class is held out once.
        assert sorted(np.concatenate([fold.held_out for fold in own])) == several.tolist()
        sizes = [len(fold.held_out) for fold in own]
        assert min(sizes) > 0
        assert max(sizes) - min(sizes) <= 1
        for fold in own:
            assert sorted([*fold.train, *fold.held_out]) == list(range(len(labels)))
            assert set(labels[fold.train]) == set(labels)
        for c in np.flatnonzero(counts > 1):
            each = [int((labels[fold.held_out] == c).sum()) for fold in own]
            assert max(each) - min(each) <= 1


@pytest.mark.parametrize(
    ("sizes", "count", "divisions"),
    [((10, 10, 10), 5, 2), ((4, 4), 4, 2), ((3, 3, 3), 3, 3), ((2, 2), 2, 5), ((5, 1), 5, 2), ((2, 50, 50), 5, 2)],
)
def test_how_many(sizes: tuple[int, ...], count: int, divisions: int) -> None:
    folds = make_folds(np.repeat(np.arange(len(sizes)), sizes), 0)
    assert {(fold.repetition, fold.number) for fold in folds} == {
        (repetition, number) for repetition in range(divisions) for number in range(count)
    }


def test_one_division_of_many_labels() -> None:
    assert len(make_folds(np.arange(4000) % 7, 0)) == 5


def test_a_function_of_the_seed() -> None:
    labels = np.arange(40) % 4
    first, again, other = (make_folds(labels, seed) for seed in (0, 0, 1))

    def told(folds: object) -> list[list[int]]:
        return [fold.held_out.tolist() for fold in folds]  # type: ignore[attr-defined]

    assert told(first) == told(again)
    assert told(first) != told(other)
    # Divisions of one seed differ, too.
    assert told(first)[:5] != told(first)[5:]


def test_no_labels() -> None:
    assert make_folds(np.empty(0, np.int64), 0) == ()

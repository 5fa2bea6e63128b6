"""Cutting rows into passes, against a search of all contiguous cuts."""

from __future__ import annotations

from itertools import combinations, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textssl.forward.passes import plan_passes


def cost(passes: list[list[int]], lengths: list[int], overhead: int) -> int:
    return sum(len(rows) * max(lengths[row] for row in rows) + overhead for rows in passes)


def least_cost(lengths: list[int], overhead: int) -> int:
    """Every way to cut the sorted rows, one after the other."""
    ordered, best = sorted(lengths), None
    for count in range(len(ordered)):
        for cuts in combinations(range(1, len(ordered)), count):
            edges = [0, *cuts, len(ordered)]
            parts = [ordered[a:b] for a, b in pairwise(edges)]
            total = sum(len(part) * part[-1] + overhead for part in parts)
            best = total if best is None else min(best, total)
    assert best is not None
    return best


@settings(max_examples=150, deadline=None)
@given(lengths=st.lists(st.integers(1, 30), min_size=1, max_size=9), overhead=st.integers(0, 60))
def test_no_contiguous_cut_is_cheaper(lengths: list[int], overhead: int) -> None:
    passes = plan_passes(lengths, overhead)
    assert cost(passes, lengths, overhead) == least_cost(lengths, overhead)
    assert sorted(row for rows in passes for row in rows) == list(range(len(lengths)))


def set_partitions(rows: list[int]) -> list[list[list[int]]]:
    if not rows:
        return [[]]
    found = []
    for partition in set_partitions(rows[1:]):
        found.append([[rows[0]], *partition])
        for i, part in enumerate(partition):
            found.append([*partition[:i], [rows[0], *part], *partition[i + 1 :]])
    return found


@settings(max_examples=40, deadline=None)
@given(lengths=st.lists(st.integers(1, 20), min_size=1, max_size=6), overhead=st.integers(0, 40))
def test_no_grouping_at_all_is_cheaper(lengths: list[int], overhead: int) -> None:
    """That groups are contiguous in the sorted order costs nothing."""
    least = min(cost(parts, lengths, overhead) for parts in set_partitions(list(range(len(lengths)))))
    assert cost(plan_passes(lengths, overhead), lengths, overhead) == least


@pytest.mark.parametrize("lengths", [[], [5], [9, 1, 5], [3, 3, 3]])
def test_without_an_overhead_there_is_one_pass_in_the_given_order(lengths: list[int]) -> None:
    assert plan_passes(lengths, None) == [list(range(len(lengths)))]


def test_one_pass_keeps_the_given_order() -> None:
    """No row need then be moved at all."""
    assert plan_passes([9, 1, 5], 1000) == [[0, 1, 2]]
    assert plan_passes([4, 4, 4], 0) == [[0, 1, 2]]


def test_free_passes_are_one_per_length() -> None:
    assert plan_passes([9, 1, 9, 5, 1], 0) == [[1, 4], [3], [0, 2]]


def test_by_hand() -> None:
    """8 rows of 10 and 2 of 100: joined 1000, apart 80 + 200 + one more overhead."""
    lengths = [10] * 4 + [100] * 2 + [10] * 4
    assert plan_passes(lengths, 719) == [[0, 1, 2, 3, 6, 7, 8, 9], [4, 5]]
    assert plan_passes(lengths, 721) == [list(range(10))]


def test_the_planner_is_quick_on_a_large_batch() -> None:
    """512 lengths, all of them distinct, is the worst a batch of 512-token rows can be."""
    assert sum(map(len, plan_passes(list(range(1, 513)), 256))) == 512

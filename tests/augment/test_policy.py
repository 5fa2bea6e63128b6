"""Which bins are drawn: by the rates, never below the threshold, and all alike to probe them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from textssl.augment.policy import BinPolicy
from textssl.errors import UserError


def policy(rates: list[list[float]], **settings: float) -> BinPolicy:
    """Of operations "0", "1" ..., whose rates are given."""
    made = BinPolicy.fresh(
        [str(i) for i in range(len(rates))],
        [len(row) for row in rates],
        2,
        **{"decay": 0.99, "threshold": 0.8, **settings},
    )
    for number, row in enumerate(rates):
        made.rates.rates[number, : len(row)] = torch.tensor(row)
    return made


def shares(made: BinPolicy, operation: int, count: int = 100_000) -> list[float]:
    uniforms = np.random.default_rng(0).random(count)
    bins = made.bins(np.full(count, operation), uniforms)
    return (np.bincount(bins) / count).tolist()


def test_bins_come_as_often_as_their_rates_say() -> None:
    made = policy([[1.0, 0.9, 0.7, 0.5], [0.7, 1.0], [0.2]])
    # 1.01 and .91 of 1.92; the standard deviation of a share is at most .0016.
    assert shares(made, 0) == pytest.approx([1.01 / 1.92, 0.91 / 1.92], abs=0.008)
    # Not one draw of the weak bin, which is below the threshold.
    assert shares(made, 1) == [0.0, 1.0]
    assert shares(made, 2) == [1.0]


def test_probes_draw_all_bins_alike_whatever_the_rates() -> None:
    made = policy([[1.0, 0.9, 0.1, 0.0, 1.0], [1.0, 0.3]])
    assert shares(made.probe_copy(), 0) == pytest.approx([0.2] * 5, abs=0.008)
    assert shares(made.probe_copy(), 1) == pytest.approx([0.5, 0.5], abs=0.008)
    assert made.probe_copy().rates is made.rates


def test_no_number_in_range_draws_an_absent_or_a_cut_bin() -> None:
    made = policy([[0.1, 1.0, 0.3, 1 / 3, 0.999, 0.1], [1.0]], threshold=0.9)
    ends = np.array([0.0, 5e-324, 0.5, 1 - 2**-53])
    assert set(made.bins(np.zeros(4, int), ends).tolist()) == {1, 4}
    assert made.bins(np.ones(4, int), ends).tolist() == [0] * 4
    assert made.probe_copy().bins(np.array([[0, 1]] * 4), np.stack([ends, ends], 1)).tolist() == [
        [0, 0],
        [0, 0],
        [3, 0],
        [5, 0],
    ]


def test_draws_follow_the_rates_of_the_moment() -> None:
    made = policy([[1.0, 1.0]])
    before = shares(made, 0)
    made.rates.rates[0, 0] = 0.5
    assert before == pytest.approx([0.5, 0.5], abs=0.008)
    assert shares(made, 0) == [0.0, 1.0]


def test_what_was_learned_has_names() -> None:
    assert policy([[0.5, 0.25], [1.0]]).learned() == {"0": [0.5, 0.25], "1": [1.0]}


@pytest.mark.parametrize(
    ("depth", "decay", "threshold", "told"),
    [
        (0, 0.99, 0.8, "depth: got 0; expected a whole number"),
        (1.5, 0.99, 0.8, "depth: got 1.5"),
        (2, 1.0, 0.8, r"decay: got 1.0; expected a number in \[0, 1\)"),
        (2, 0.99, 1.5, r"threshold: got 1.5; expected a number in \[0, 1\]"),
        (2, float("nan"), 0.8, "decay: got nan"),
    ],
)
def test_numbers_out_of_range(depth: int, decay: float, threshold: float, told: str) -> None:
    with pytest.raises(UserError, match=told):
        BinPolicy.fresh(["a"], [2], depth, decay, threshold)

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from textssl.functional import cosine_rampdown, linear_rampup, sigmoid_rampup


Ramp = Callable[[float, float], float]


def test_linear_rampup() -> None:
    assert [linear_rampup(t, 0.4) for t in (0.0, 0.1, 0.2, 0.4, 1.0)] == [0, 0.25, 0.5, 1, 1]
    # A ramp longer than training does not finish.
    assert linear_rampup(1.0, 2.0) == 0.5


@pytest.mark.parametrize(
    ("progress", "expected"),
    [(0.0, 0.00674), (0.25, 0.06005), (0.5, 0.28650), (0.75, 0.73162), (1.0, 1.0)],
)
def test_sigmoid_rampup(progress: float, expected: float) -> None:
    assert sigmoid_rampup(progress, 1.0) == pytest.approx(expected, abs=5e-6)
    assert sigmoid_rampup(progress / 2, 0.5) == pytest.approx(expected, abs=5e-6)
    assert sigmoid_rampup(1.0, 0.5) == 1.0


def test_cosine_rampdown() -> None:
    assert cosine_rampdown(0.0) == 1.0
    assert cosine_rampdown(1.0) == pytest.approx(0.19509, abs=5e-6)
    # cos(7 pi / 32), by the half-angle formula.
    assert cosine_rampdown(0.5) == pytest.approx(math.sqrt((1 + 0.195090322) / 2))


@pytest.mark.parametrize("ramp", [linear_rampup, sigmoid_rampup])
@pytest.mark.parametrize("progress", [0.0, 0.5, 1.0])
def test_a_ramp_of_no_length_is_one(ramp: Ramp, progress: float) -> None:
    assert ramp(progress, 0) == 1.0


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 2))
def test_ramps_are_monotone_and_bounded(first: float, second: float, length: float) -> None:
    early, late = sorted((first, second))
    for ramp in (linear_rampup, sigmoid_rampup):
        assert 0 <= ramp(early, length) <= ramp(late, length) <= 1
    assert 0.195 < cosine_rampdown(late) <= cosine_rampdown(early) <= 1


@pytest.mark.parametrize("progress", [-0.1, 1.5, math.nan])
def test_progress_is_checked(progress: float) -> None:
    for call in (
        lambda: linear_rampup(progress, 0.5),
        lambda: sigmoid_rampup(progress, 0),
        lambda: cosine_rampdown(progress),
    ):
        with pytest.raises(ValueError, match=r"^progress: got .*; expected a number in \[0.0, 1.0\]"):
            call()


@pytest.mark.parametrize("length", [-0.1, math.nan, math.inf])
@pytest.mark.parametrize("ramp", [linear_rampup, sigmoid_rampup])
def test_length_is_checked(ramp: Ramp, length: float) -> None:
    with pytest.raises(ValueError, match=r"^length: got .*; expected a finite number of at least 0"):
        ramp(0.5, length)

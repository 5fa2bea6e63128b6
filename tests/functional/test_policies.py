"""CTAugment's rates against numbers by hand and loops written from the paper."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from textssl.functional import agreement, bin_probs, updated_bins


def test_agreement_is_one_less_half_the_distance() -> None:
    probs = torch.tensor([[0.7, 0.2, 0.1], [0.7, 0.2, 0.1], [0.0, 0.0, 1.0], [0.0, 0.0, 1.0]])
    labels = torch.tensor([0, 2, 2, 0])
    onehot = torch.eye(3)[labels]
    torch.testing.assert_close(agreement(probs, labels), 1 - 0.5 * (probs - onehot).abs().sum(1))
    torch.testing.assert_close(agreement(probs, labels), torch.tensor([0.7, 0.1, 1.0, 0.0]))


def test_probabilities_by_hand() -> None:
    """1.01, .91, .71 and .51 over 1.01: the last two are below .8; 1.01 and .91 share what is left."""
    probs = bin_probs(torch.tensor([[1.0, 0.9, 0.7, 0.5]]), threshold=0.8, decay=0.99)
    torch.testing.assert_close(probs, torch.tensor([[1.01 / 1.92, 0.91 / 1.92, 0.0, 0.0]]))
    torch.testing.assert_close(probs, torch.tensor([[0.526, 0.474, 0.0, 0.0]]), atol=5e-4, rtol=0)


def naive_probs(rates: list[float], threshold: float, decay: float) -> list[float]:
    values = [m + (1 - decay) for m in rates]
    shares = [value / max(values) for value in values]
    kept = [0.0 if share < threshold else share for share in shares]
    return [share / sum(kept) for share in kept]


@pytest.mark.parametrize(("threshold", "decay"), [(0.8, 0.99), (0.3, 0.5), (0.95, 0.999)])
def test_probabilities_are_those_of_a_loop(threshold: float, decay: float) -> None:
    rates = torch.rand(40, 9, generator=torch.Generator().manual_seed(0))
    sizes = [1 + number % 9 for number in range(40)]
    present = torch.arange(9) < torch.tensor(sizes)[:, None]
    probs = bin_probs(rates, present, threshold, decay)
    for row, size, got in zip(rates.tolist(), sizes, probs.tolist(), strict=True):
        expected = naive_probs(row[:size], threshold, decay)
        assert got[:size] == pytest.approx(expected, abs=1e-6)
        assert got[size:] == [0.0] * (9 - size)
    torch.testing.assert_close(probs.sum(1), torch.ones(40))


def test_probabilities_at_the_limits() -> None:
    rates = torch.tensor([[0.5, 0.6, 0.0], [0.0, 0.0, 0.0], [1.0, 1.0, 1.0]])
    present = torch.tensor([[True, True, True], [True, True, False], [True, True, True]])
    only_best = bin_probs(rates, present, threshold=1.0)
    torch.testing.assert_close(only_best, torch.tensor([[0, 1.0, 0], [0.5, 0.5, 0], [1 / 3] * 3]))
    # Nothing is cut off, and a rate of 0 still has the share of 1 - decay.
    everything = bin_probs(rates, present, threshold=0.0, decay=0.9)
    torch.testing.assert_close(everything[0], torch.tensor([0.6, 0.7, 0.1]) / 1.4)
    assert everything[1].tolist() == [0.5, 0.5, 0.0]


def test_an_update_by_hand() -> None:
    rates = torch.ones(1, 3)
    sums, counts = torch.tensor([[0.5, 0.0, 0.9]]), torch.tensor([[1, 0, 3]])
    # .99 + .01 * .5; untouched; .99^3 + (1 - .99^3) * .3.
    expected = torch.tensor([[0.995, 1.0, 0.970299 + 0.029701 * 0.3]])
    torch.testing.assert_close(updated_bins(rates, sums, counts, 0.99), expected)


@pytest.mark.parametrize("decay", [0.0, 0.9, 0.99])
def test_several_trials_move_as_far_as_one_after_the_other_with_their_mean(decay: float) -> None:
    gen = torch.Generator().manual_seed(1)
    rates = torch.rand(5, 4, generator=gen, dtype=torch.float64)
    trials: list[list[list[float]]] = [
        [torch.rand(n, generator=gen).tolist() for n in torch.randint(0, 4, (4,), generator=gen).tolist()]
        for _ in range(5)
    ]
    sums = torch.tensor([[sum(cell) for cell in row] for row in trials], dtype=torch.float64)
    counts = torch.tensor([[len(cell) for cell in row] for row in trials])
    moved = updated_bins(rates, sums, counts, decay)
    for o, row in enumerate(trials):
        for b, cell in enumerate(row):
            m = float(rates[o, b])
            for _ in cell:
                m = decay * m + (1 - decay) * sum(cell) / len(cell)
            assert float(moved[o, b]) == pytest.approx(m, abs=1e-12)


def test_a_bin_that_was_not_tried_stays_to_the_last_bit() -> None:
    rates = torch.rand(30, 17, generator=torch.Generator().manual_seed(2))
    nothing = torch.zeros(30, 17)
    assert torch.equal(updated_bins(rates, nothing, nothing.long(), 0.99), rates)


ROWS = torch.ones(2, 3)


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: bin_probs(torch.ones(3)), r"rates: got .*; expected a floating-point tensor of shape \[O, M\]"),
        (lambda: bin_probs(ROWS, ROWS), r"present: got .*; expected a bool tensor"),
        (lambda: bin_probs(ROWS, torch.ones(2, 2, dtype=torch.bool)), r"present: got .*; expected .* shape \[2, 3\]"),
        (lambda: bin_probs(ROWS, threshold=1.1), r"threshold: got .*; expected a number in"),
        (lambda: bin_probs(ROWS, decay=1.0), r"decay: got 1.0; expected a number in \[0, 1\)"),
        (lambda: updated_bins(ROWS, torch.ones(3, 2), ROWS.long()), "sums: got"),
        (lambda: updated_bins(ROWS, ROWS, ROWS), r"counts: got .*; expected an integer tensor"),
        (lambda: updated_bins(ROWS, ROWS, ROWS.long(), -0.1), "decay: got"),
        (lambda: agreement(ROWS, torch.zeros(3, dtype=torch.long)), "labels: got"),
        (lambda: agreement(ROWS.long(), torch.zeros(2, dtype=torch.long)), "probs: got"),
    ],
)
def test_arguments_are_checked(call: Any, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        call()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_the_dtype_is_that_of_the_rates(dtype: torch.dtype) -> None:
    rates: Tensor = torch.ones(2, 3, dtype=dtype)
    assert bin_probs(rates).dtype == dtype
    assert updated_bins(rates, torch.ones(2, 3), torch.ones(2, 3, dtype=torch.long)).dtype == dtype

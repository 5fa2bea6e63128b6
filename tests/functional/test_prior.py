"""The divergence of a batch's mean prediction from a prior."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from textssl.functional import prior_divergence


def uniform(classes: int) -> Tensor:
    return torch.full((classes,), 1 / classes)


def naive(logits: list[list[float]], prior: list[float]) -> float:
    """Equation 4 in Python's own numbers."""
    mean = [0.0] * len(prior)
    for row in logits:
        exps = [math.exp(z - max(row)) for z in row]
        mean = [m + e / sum(exps) / len(logits) for m, e in zip(mean, exps, strict=True)]
    return sum(p * math.log(p / h) for p, h in zip(prior, mean, strict=True) if p > 0)


@pytest.mark.parametrize(
    "probs", [[[0.9, 0.1]] * 5, [[0.99, 0.01], [0.81, 0.19]], [[1.0, 0.0], [0.8, 0.2], [0.9, 0.1]]]
)
def test_golden(probs: list[list[float]]) -> None:
    """However the rows make up the mean (0.9, 0.1): (ln(0.5 / 0.9) + ln(0.5 / 0.1)) / 2."""
    value = prior_divergence(torch.tensor(probs).log(), uniform(2))
    assert value.shape == ()
    assert value.item() == pytest.approx(0.51083, abs=1e-5)


@pytest.mark.parametrize("classes", [2, 4, 10])
def test_rows_that_balance_each_other_cost_nothing(classes: int) -> None:
    assert prior_divergence(torch.zeros(3, classes), uniform(classes)).item() == pytest.approx(0.0, abs=1e-6)
    # Each sure of another class.
    assert prior_divergence(50 * torch.eye(classes), uniform(classes)).item() == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize(("classes", "constant"), [(2, 0.69315), (10, 2.30259)])
def test_the_authors_code_is_larger_by_a_constant(classes: int, constant: float) -> None:
    """Theirs is the cross entropy: without prior * log prior."""
    logits = 3 * torch.randn(6, classes, generator=torch.Generator().manual_seed(0))
    theirs = -(uniform(classes) * logits.softmax(-1).mean(0).log()).sum()
    assert (theirs - prior_divergence(logits, uniform(classes))).item() == pytest.approx(constant, abs=1e-4)


def test_a_class_of_prior_zero_contributes_nothing() -> None:
    logits = torch.tensor([[2.0, 1.0, 0.0], [0.0, 1.0, -1.0]], requires_grad=True)
    prior = torch.tensor([0.25, 0.75, 0.0])
    value = prior_divergence(logits, prior)
    value.backward()
    assert value.item() == pytest.approx(naive(logits.tolist(), prior.tolist()), abs=1e-6)
    assert logits.grad.isfinite().all()
    # All on one class that all predict.
    assert prior_divergence(torch.tensor([[100.0, 0.0]]), torch.tensor([1.0, 0.0])).item() == pytest.approx(0.0)


def test_extreme_logits_stay_finite() -> None:
    """A class that no row predicts: e^-20000 of it, which is no number of float32."""
    logits = torch.tensor([[1e4, -1e4], [1e4, -1e4]], requires_grad=True)
    value = prior_divergence(logits, uniform(2))
    value.backward()
    assert value.item() == pytest.approx(1e4 - math.log(2), rel=1e-6)
    assert logits.grad.isfinite().all()
    # It is told to predict the other class.
    assert (logits.grad[:, 1] < 0).all()


CELL = st.floats(-20, 20, width=32)


@given(st.integers(1, 5), st.integers(2, 5), st.data())
def test_against_a_loop_and_permutations(rows: int, classes: int, data: st.DataObject) -> None:
    flat = data.draw(st.lists(CELL, min_size=rows * classes, max_size=rows * classes))
    mass = data.draw(st.lists(st.sampled_from([0.0, 0.5, 1.0, 3.0]), min_size=classes, max_size=classes))
    mass[0] += 1.0
    logits = torch.tensor(flat).view(rows, classes)
    prior = torch.tensor(mass) / sum(mass)
    value = prior_divergence(logits, prior)
    torch.testing.assert_close(value.item(), naive(logits.tolist(), prior.tolist()), atol=2e-5, rtol=2e-5)
    assert value >= -1e-5
    order = torch.tensor(data.draw(st.permutations(range(rows))))
    places = torch.tensor(data.draw(st.permutations(range(classes))))
    moved = prior_divergence(logits[order][:, places], prior[places])
    torch.testing.assert_close(moved, value, atol=2e-5, rtol=2e-5)
    # A row twice in each place leaves the mean.
    torch.testing.assert_close(prior_divergence(logits.repeat(2, 1), prior), value, atol=2e-5, rtol=2e-5)


def test_gradients() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(4, 3, generator=generator, dtype=torch.float64, requires_grad=True)
    prior = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x: prior_divergence(x, prior), logits)
    # Where all rows are uniform each pulls alike, by (h - prior) / B.
    at_rest = torch.zeros(4, 3, dtype=torch.float64, requires_grad=True)
    prior_divergence(at_rest, prior).backward()
    torch.testing.assert_close(at_rest.grad, ((1 / 3 - prior) / 4).expand(4, 3))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_calculated_in_float32(dtype: torch.dtype) -> None:
    logits = torch.randn(6, 4, generator=torch.Generator().manual_seed(0)).to(dtype)
    value = prior_divergence(logits, uniform(4))
    assert value.dtype == torch.float32
    assert torch.equal(value, prior_divergence(logits.float(), uniform(4)))
    assert prior_divergence(logits.double(), uniform(4).double()).dtype == torch.float64


def test_refused() -> None:
    logits = torch.zeros(2, 3)
    with pytest.raises(ValueError, match=r"^logits: got .*; expected .*\[B, C\]"):
        prior_divergence(torch.zeros(3), uniform(3))
    with pytest.raises(ValueError, match=r"^logits: got torch.int64 .*; expected"):
        prior_divergence(logits.long(), uniform(3))
    with pytest.raises(ValueError, match=r"^prior: got .*\[2\]; expected .*\[3\]"):
        prior_divergence(logits, uniform(2))
    with pytest.raises(ValueError, match=r"^prior: got .*\[2, 3\]; expected .*\[3\]"):
        prior_divergence(logits, uniform(3).expand(2, 3))
    with pytest.raises(ValueError, match=r"^prior: got torch.int64 .*; expected"):
        prior_divergence(logits, torch.ones(3).long())

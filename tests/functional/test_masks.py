from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from textssl.functional import confidence_mask, tsa_mask, tsa_threshold


PROBS = torch.tensor([[0.5, 0.5], [0.75, 0.25], [0.04, 0.96], [1.0, 0.0]])


@pytest.mark.parametrize(
    ("threshold", "expected"),
    [(0, [1, 1, 1, 1]), (0.75, [0, 1, 1, 1]), (0.95, [0, 0, 1, 1]), (1.0, [0, 0, 0, 1])],
)
def test_confidence_mask(threshold: float, expected: list[float]) -> None:
    assert confidence_mask(PROBS, threshold).tolist() == expected


def test_confidence_mask_takes_a_threshold_per_example_or_from_the_device() -> None:
    per_example = torch.tensor([0.5, 0.8, 0.96, 1.0])
    assert confidence_mask(PROBS, per_example).tolist() == [1, 0, 1, 1]
    assert confidence_mask(PROBS, per_example.double()).tolist() == [1, 0, 1, 1]
    assert confidence_mask(PROBS, torch.tensor(0.8)).tolist() == [0, 0, 1, 1]
    # 0.95 is larger in float64 than in float32, yet a row of 0.95 reaches it.
    wide = torch.tensor([0.95], dtype=torch.float64)
    assert confidence_mask(torch.tensor([[0.95, 0.05]]), wide).tolist() == [1]


@pytest.mark.parametrize(
    ("dtype", "result"),
    [
        (torch.float32, torch.float32),
        (torch.bfloat16, torch.float32),
        (torch.float64, torch.float64),
    ],
)
def test_confidence_mask_keeps_equality(dtype: torch.dtype, result: torch.dtype) -> None:
    probs = torch.tensor([[0.75, 0.25], [0.25, 0.75]], dtype=dtype)
    actual = confidence_mask(probs, 0.75)
    assert actual.dtype == result
    assert actual.tolist() == [1, 1]
    assert confidence_mask(torch.tensor([[0.95, 0.05]], dtype=torch.float32), 0.95).tolist() == [1]


def test_confidence_mask_does_not_round_the_threshold_to_bfloat16() -> None:
    # 0.95 in bfloat16 is 0.94921875, which is below 0.95.
    probs = torch.tensor([[0.94921875, 0.05078125]], dtype=torch.bfloat16)
    assert confidence_mask(probs, 0.95).tolist() == [0]
    assert confidence_mask(probs, 0.949).tolist() == [1]


def test_masks_carry_no_gradient() -> None:
    probs = PROBS.clone().requires_grad_()
    assert not confidence_mask(probs, 0.9).requires_grad
    assert not tsa_mask(probs, torch.zeros(4, dtype=torch.long), 0.9).requires_grad


@pytest.mark.parametrize("threshold", [-0.1, 1.01, math.nan])
def test_masks_refuse_a_threshold(threshold: float) -> None:
    with pytest.raises(ValueError, match=r"^threshold: got .*; expected a number in \[0.0, 1.0\]"):
        confidence_mask(PROBS, threshold)
    with pytest.raises(ValueError, match=r"^threshold: got .*; expected a number in \[0.0, 1.0\]"):
        tsa_mask(PROBS, torch.zeros(4, dtype=torch.long), threshold)


@pytest.mark.parametrize("threshold", [torch.ones(3), torch.ones(4, 1), torch.ones(4).long()])
def test_masks_refuse_a_tensor_threshold(threshold: Tensor) -> None:
    with pytest.raises(ValueError, match=r"^threshold: got .*; expected a floating-point tensor of shape \[4"):
        confidence_mask(PROBS, threshold)


@pytest.mark.parametrize(
    ("schedule", "num_labels", "expected"),
    [
        ("linear", 2, 0.75),
        ("linear", 5, 0.60),
        ("linear", 10, 0.55),
        ("exp", 2, 0.5410),
        ("exp", 5, 0.2657),
        ("exp", 10, 0.1739),
        ("log", 2, 0.9590),
        ("log", 5, 0.9343),
        ("log", 10, 0.9261),
    ],
)
def test_tsa_threshold_half_way(schedule: str, num_labels: int, expected: float) -> None:
    assert tsa_threshold(0.5, num_labels, schedule) == pytest.approx(expected, abs=5e-5)


@pytest.mark.parametrize(
    ("schedule", "start", "end"),
    [("linear", 0.5, 1.0), ("exp", 0.5034, 1.0), ("log", 0.5, 0.9966)],
)
def test_tsa_threshold_limits(schedule: str, start: float, end: float) -> None:
    assert tsa_threshold(0.0, 2, schedule) == pytest.approx(start, abs=5e-5)
    assert tsa_threshold(1.0, 2, schedule) == pytest.approx(end, abs=5e-5)


@settings(deadline=None)
@given(st.integers(2, 1000), st.sampled_from(["linear", "exp", "log"]), st.floats(0, 1))
def test_tsa_threshold_is_monotone_and_a_threshold(k: int, schedule: str, progress: float) -> None:
    now = tsa_threshold(progress, k, schedule)
    assert 1 / k - 1e-12 <= tsa_threshold(0.0, k, schedule) <= now
    assert now <= tsa_threshold(1.0, k, schedule) <= 1.0


def test_tsa_threshold_refuses() -> None:
    for progress in (-0.01, 1.01, math.nan):
        with pytest.raises(ValueError, match=r"^progress: got .*; expected a number in \[0.0, 1.0\]"):
            tsa_threshold(progress, 2, "linear")
    with pytest.raises(ValueError, match=r"^num_labels: got 1; expected"):
        tsa_threshold(0.5, 1, "linear")
    with pytest.raises(ValueError, match=r"^schedule: got 'cosine'; expected 'linear', 'log' or 'exp'"):
        tsa_threshold(0.5, 2, "cosine")


def test_tsa_mask_asks_for_the_correct_label() -> None:
    sure = math.log(0.9 / 0.1)
    logits = torch.tensor([[sure, 0.0], [sure, 0.0], [0.0, 0.0]])
    # Sure and right is masked; sure and wrong is kept; undecided is kept.
    assert tsa_mask(logits, torch.tensor([0, 1, 0]), 0.8).tolist() == [0, 1, 1]


def test_tsa_mask_limits() -> None:
    logits = torch.tensor([[0.0, 0.0], [30.0, 0.0]])
    labels = torch.tensor([0, 0])
    # Equality is kept ("exceeds"), and no probability exceeds 1.
    assert tsa_mask(logits, labels, 0.5).tolist() == [1, 0]
    assert tsa_mask(logits, labels, 1.0).tolist() == [1, 1]
    assert tsa_mask(logits, labels, 0.0).tolist() == [0, 0]


def test_tsa_masked_loss_of_nothing_kept_is_zero() -> None:
    logits = torch.tensor([[5.0, 0.0], [6.0, 0.0]], requires_grad=True)
    labels = torch.tensor([0, 0])
    mask = tsa_mask(logits, labels, 0.5)
    each = torch.nn.functional.cross_entropy(logits, labels, reduction="none")
    loss = (mask * each).sum() / mask.sum().clamp_min(1)
    loss.backward()
    assert loss.item() == 0
    assert torch.equal(logits.grad, torch.zeros(2, 2))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_tsa_mask_against_a_loop(dtype: torch.dtype) -> None:
    logits = torch.randn(50, 4, generator=torch.Generator().manual_seed(0)).to(dtype) * 3
    labels = torch.arange(50) % 4
    expected = []
    for row, label in zip(logits.tolist(), labels.tolist(), strict=True):
        total = sum(math.exp(z) for z in row)
        expected.append(0.0 if math.exp(row[label]) / total > 0.4 else 1.0)
    assert 5 < sum(expected) < 45
    for threshold in (0.4, torch.tensor(0.4), torch.full((50,), 0.4)):
        assert tsa_mask(logits, labels, threshold).tolist() == expected


def test_tsa_mask_refuses() -> None:
    with pytest.raises(ValueError, match=r"^logits: got"):
        tsa_mask(torch.ones(3), torch.zeros(3, dtype=torch.long), 0.5)
    with pytest.raises(ValueError, match=r"^labels: got .*; expected an? integer tensor of shape \[4\]"):
        tsa_mask(PROBS, torch.zeros(3, dtype=torch.long), 0.5)
    with pytest.raises(ValueError, match=r"^labels: got"):
        tsa_mask(PROBS, torch.zeros(4), 0.5)

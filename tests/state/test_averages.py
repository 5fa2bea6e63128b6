from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from tests.ddp.pool import TwoProcesses
from textssl.state import RunningMean, rank


UNIFORM = torch.tensor([0.5, 0.5])


def test_hand_computed_trajectory() -> None:
    mean = RunningMean(UNIFORM, 0.6)
    assert torch.equal(mean.value, UNIFORM)
    mean.update(torch.tensor([1.0, 0.0]))
    torch.testing.assert_close(mean.value, torch.tensor([1.0, 0.0]))
    # Temporal ensembling at t = 2, alpha = .6: .375 z1 + .625 z2.
    mean.update(torch.tensor([0.0, 1.0]))
    torch.testing.assert_close(mean.value, torch.tensor([0.375, 0.625]))
    # Weights .36, .6, 1 over 1.96.
    mean.update(torch.tensor([0.5, 0.5]))
    torch.testing.assert_close(mean.value, torch.tensor([0.86 / 1.96, 1.1 / 1.96]))


@pytest.mark.parametrize("decay", [0.0, 0.5, 0.999, 0.99999])
def test_against_the_weighted_sum(decay: float) -> None:
    batches = torch.randn(20, 3, generator=torch.Generator().manual_seed(0))
    mean = RunningMean(torch.zeros(3), decay)
    for t in range(1, 21):
        mean.update(batches[t - 1])
        weights = torch.tensor([decay ** (t - s) for s in range(1, t + 1)], dtype=torch.float64)
        expected = (weights[:, None] * batches[:t].double()).sum(0) / weights.sum()
        torch.testing.assert_close(mean.value.double(), expected, atol=2e-6, rtol=2e-5)


def test_a_constant_is_kept_from_the_first_update() -> None:
    mean = RunningMean(torch.zeros(()), 0.9999)
    for _ in range(5):
        mean.update(torch.tensor(0.7))
        torch.testing.assert_close(mean.value, torch.tensor(0.7))


def test_distributions_stay_distributions() -> None:
    mean = RunningMean(torch.full((4,), 0.25), 0.9)
    for seed in range(5):
        logits = torch.randn(8, 4, generator=torch.Generator().manual_seed(seed))
        mean.update(logits.softmax(-1).mean(0))
        torch.testing.assert_close(mean.value.sum(), torch.tensor(1.0))


def test_a_weight_of_zero_changes_nothing() -> None:
    mean = RunningMean(UNIFORM, 0.5)
    nothing = torch.full((2,), math.nan)
    mean.update(nothing, 0)
    assert torch.equal(mean.value, UNIFORM)
    mean.update(torch.tensor([1.0, 0.0]), torch.tensor(3))
    before = {name: x.clone() for name, x in mean.state_dict().items()}
    mean.update(nothing, torch.tensor([0.0]))
    assert all(torch.equal(before[name], x) for name, x in mean.state_dict().items())


def test_the_weight_does_not_change_the_step_of_one_process() -> None:
    heavy, light = RunningMean(UNIFORM, 0.5), RunningMean(UNIFORM, 0.5)
    for x in (torch.tensor([1.0, 0.0]), torch.tensor([0.2, 0.8])):
        heavy.update(x, 64)
        light.update(x)
    torch.testing.assert_close(heavy.value, light.value)


def test_resume_continues_identically() -> None:
    batches = torch.randn(10, 3, generator=torch.Generator().manual_seed(0))
    straight, other = RunningMean(torch.zeros(3), 0.9), RunningMean(torch.ones(3), 0.9)
    for i, batch in enumerate(batches):
        if i == 4:
            other.load_state_dict(straight.state_dict())
        if i >= 4:
            other.update(batch)
        straight.update(batch)
    assert torch.equal(straight.value, other.value)
    assert set(straight.state_dict()) == {"init", "biased", "correction"}


def test_state_is_detached_and_its_own() -> None:
    init = UNIFORM.clone().requires_grad_()
    mean = RunningMean(init, 0.5)
    batch = torch.tensor([1.0, 0.0], requires_grad=True)
    mean.update(batch * 1.0)
    value = mean.value
    value.zero_()
    assert not mean.value.requires_grad
    torch.testing.assert_close(mean.value, torch.tensor([1.0, 0.0]))
    assert torch.equal(init.detach(), UNIFORM)
    assert not list(mean.parameters())
    untouched = RunningMean(init, 0.5)
    init.detach().zero_()
    assert torch.equal(untouched.value, UNIFORM)


def test_half_precision_is_averaged_in_float32() -> None:
    mean = RunningMean(UNIFORM.bfloat16(), 0.999)
    # A step of 0.001 from 0.25 to 0.5 is below bfloat16's resolution, so there nothing would move.
    for _ in range(1000):
        mean.update(torch.tensor([0.25, 0.75], dtype=torch.bfloat16))
    for _ in range(1000):
        mean.update(torch.tensor([0.5, 0.5], dtype=torch.bfloat16))
    late = (1 - 0.999**1000) / (1 - 0.999**2000)
    assert mean.value.dtype == torch.float32
    assert mean.value[0].item() == pytest.approx(0.25 + 0.25 * late, abs=1e-5)
    assert RunningMean(UNIFORM.double(), 0.5).value.dtype == torch.float64


def test_nothing_reads_values_from_the_device() -> None:
    mean = RunningMean(torch.empty(3, device="meta"), 0.9)
    mean.update(torch.empty(3, device="meta"), torch.empty((), device="meta"))
    assert mean.value.shape == (3,)


@pytest.mark.parametrize("decay", [-0.1, 1.0, 1.5, math.nan])
def test_decay_is_checked(decay: float) -> None:
    with pytest.raises(ValueError, match=r"^decay: got .*; expected a number in \[0, 1\)"):
        RunningMean(UNIFORM, decay)


def test_arguments_are_checked() -> None:
    with pytest.raises(ValueError, match=r"^init: got torch.int64; expected a floating-point tensor"):
        RunningMean(torch.zeros(2, dtype=torch.long), 0.5)
    mean = RunningMean(UNIFORM, 0.5)
    with pytest.raises(ValueError, match=r"^batch_mean: got .*; expected the shape of init, \[2\]"):
        mean.update(torch.zeros(3))
    with pytest.raises(ValueError, match=r"^weight: got shape \[2\]; expected one element"):
        mean.update(UNIFORM, torch.ones(2))
    assert torch.equal(mean.value, UNIFORM)


def rows_of_step(step: int) -> Tensor:
    return torch.randn(6, 3, generator=torch.Generator().manual_seed(step)).softmax(-1)


def follow_halves() -> dict[str, Tensor]:
    """Equal shares without weights, then unequal ones with; at step 3 rank 0 has no rows at all."""
    even, uneven = RunningMean(torch.full((3,), 1 / 3), 0.9), RunningMean(torch.zeros(3), 0.9)
    for step in range(5):
        rows = rows_of_step(step)
        even.update(rows.chunk(2)[rank()].mean(0))
        split = 0 if step == 3 else 2
        mine = rows[:split] if rank() == 0 else rows[split:]
        uneven.update(mine.mean(0), len(mine))
    return {**even.state_dict(prefix="even."), **uneven.state_dict(prefix="uneven.")}


def test_two_processes_equal_one_with_the_joint_batch(two_processes: TwoProcesses) -> None:
    first, second = two_processes.run(follow_halves)
    even, uneven = RunningMean(torch.full((3,), 1 / 3), 0.9), RunningMean(torch.zeros(3), 0.9)
    for step in range(5):
        even.update(rows_of_step(step).mean(0))
        uneven.update(rows_of_step(step).mean(0))
    joint = {**even.state_dict(prefix="even."), **uneven.state_dict(prefix="uneven.")}
    assert first.keys() == second.keys() == joint.keys()
    for name, value in joint.items():
        assert torch.equal(first[name], second[name])
        torch.testing.assert_close(first[name], value)

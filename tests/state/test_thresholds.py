"""What every threshold policy owes: weights without gradient, one update for a step, the same on every process."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from tests.ddp.pool import TwoProcesses
from textssl.state import AdaptiveThresholds, ClassThresholds, FixedThreshold, StepRows, ThresholdPolicy, rank


class LastConfidence(AdaptiveThresholds):
    """Keeps an example that is at least as sure as the mean of the step before; remembers who was seen."""

    level: Tensor
    seen: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        self.register_buffer("level", torch.zeros(()))
        self.register_buffer("seen", torch.zeros(size))

    def compute_weights(self, probs: Tensor, index: Tensor) -> Tensor:
        return (probs.amax(-1) >= self.level).to(probs.dtype)

    def update(self, probs: Tensor, index: Tensor) -> None:
        self.level.copy_(probs.amax(-1).mean())
        self.seen.scatter_add_(0, index, torch.ones_like(index, dtype=self.seen.dtype))


def rows(seed: int, count: int = 8) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    index = torch.randint(10, (count,), generator=generator)
    return (3 * torch.randn(count, 3, generator=generator)).softmax(-1), index


def policies() -> list[ThresholdPolicy]:
    return [LastConfidence(10), ClassThresholds(0.7, 0.5, 3)]


def two_steps() -> dict[str, Tensor]:
    """Each process judges its half of every batch, in two micro-batches."""
    state: dict[str, Tensor] = {}
    for number, policy in enumerate(policies()):
        for step in range(2):
            probs, index = (half.chunk(2)[rank()] for half in rows(step))
            for part in zip(probs.chunk(2), index.chunk(2), strict=True):
                policy.weights(*part)
            policy.end_step()
        state |= {f"{number}.{name}": value for name, value in policy.state_dict().items()}
    return state


def test_two_processes_and_micro_batches_equal_one_batch(two_processes: TwoProcesses) -> None:
    first, second = two_processes.run(two_steps)
    assert first
    for number, policy in enumerate(policies()):
        for step in range(2):
            policy.weights(*rows(step))
            policy.end_step()
        for name, value in policy.state_dict().items():
            assert torch.equal(first[f"{number}.{name}"], second[f"{number}.{name}"])
            torch.testing.assert_close(first[f"{number}.{name}"], value)


def test_micro_batches_are_judged_by_the_state_before_the_step() -> None:
    """By hand: levels 0, then the mean of .9, .5, .8 and .6."""
    policy = LastConfidence(4)
    sure, unsure = torch.tensor([[0.9, 0.1], [0.5, 0.5]]), torch.tensor([[0.2, 0.8], [0.6, 0.4]])
    assert policy.weights(sure, torch.tensor([0, 1])).tolist() == [1, 1]
    assert policy.weights(unsure, torch.tensor([3, 3])).tolist() == [1, 1]
    assert policy.level == 0
    policy.end_step()
    assert policy.level.item() == pytest.approx(0.7)
    assert policy.seen.tolist() == [1, 1, 0, 2]
    assert policy.weights(sure, torch.tensor([0, 1])).tolist() == [1, 0]


def test_a_step_that_judged_nothing_changes_nothing() -> None:
    policy = LastConfidence(10)
    policy.weights(*rows(0))
    policy.end_step()
    before = {name: value.clone() for name, value in policy.state_dict().items()}
    policy.end_step()
    assert all(torch.equal(before[name], value) for name, value in policy.state_dict().items())


def test_neither_weights_nor_state_carry_a_gradient() -> None:
    for policy in policies():
        logits = torch.randn(4, 3, requires_grad=True)
        assert not policy.weights(logits.softmax(-1), torch.arange(4)).requires_grad
        policy.end_step()
        assert not any(value.requires_grad for value in policy.state_dict(keep_vars=True).values())


def test_a_fixed_threshold_remembers_nothing() -> None:
    policy = FixedThreshold(0.75)
    assert policy.weights(torch.tensor([[0.75, 0.25], [0.3, 0.7]]), torch.arange(2)).tolist() == [1, 0]
    policy.end_step()
    assert not policy.state_dict()


def test_a_policy_that_is_not_finished_says_so() -> None:
    probs, index = rows(0)
    with pytest.raises(NotImplementedError, match="ThresholdPolicy has no weights"):
        ThresholdPolicy().weights(probs, index)
    with pytest.raises(NotImplementedError, match="AdaptiveThresholds has no weights"):
        AdaptiveThresholds().weights(probs, index)


def test_rows_of_a_step_are_joined_once_and_forgotten() -> None:
    step = StepRows()
    assert step.take() == ()
    step.add(torch.ones(2, 3, requires_grad=True), torch.tensor([4, 5]))
    step.add(torch.zeros(1, 3), torch.tensor([6]))
    values, index = step.take()
    assert values.tolist() == [[1, 1, 1], [1, 1, 1], [0, 0, 0]]
    assert index.tolist() == [4, 5, 6]
    assert not values.requires_grad
    assert step.take() == ()

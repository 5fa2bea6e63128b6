"""The schedules of a warm start and of a fine-tuning, by hand."""

from __future__ import annotations

import pytest
import torch
from torch.optim.lr_scheduler import LambdaLR, StepLR
from transformers import get_cosine_schedule_with_warmup

from textssl.errors import UserError
from textssl.training.lr_schedules import with_finetuning, with_warm_start


def rates(scheduler: LambdaLR, steps: int) -> list[list[float]]:
    found = []
    for _ in range(steps):
        found.append([group["lr"] for group in scheduler.optimizer.param_groups])
        scheduler.optimizer.step()
        scheduler.step()
    return found


def optimizer() -> torch.optim.Optimizer:
    """Two groups, as a head with a learning rate of its own would have."""
    groups = [{"params": [torch.zeros(1, requires_grad=True)], "lr": rate} for rate in (0.1, 0.01)]
    return torch.optim.SGD(groups)


def test_a_tenth_rises_the_rest_is_level_and_the_schedule_follows_from_its_step_0() -> None:
    own = optimizer()
    after = LambdaLR(own, [lambda step: 1 / (step + 1), lambda step: 1.0])
    expected = [0.5 * (i + 1) / 3 for i in range(3)] + [0.5] * 27
    found = rates(with_warm_start(after, 30, 0.5), 33)
    assert [row[0] for row in found] == pytest.approx([0.1 * f for f in [*expected, 1, 1 / 2, 1 / 3]])
    assert [row[1] for row in found] == pytest.approx([0.01 * f for f in [*expected, 1, 1, 1]])


def test_what_follows_is_the_schedule_as_it_would_have_been_alone() -> None:
    alone = rates(get_cosine_schedule_with_warmup(optimizer(), 3, 12), 12)
    joined = rates(with_warm_start(get_cosine_schedule_with_warmup(optimizer(), 3, 12), 4, 2.0), 16)
    assert joined[4:] == alone
    assert [row[0] for row in joined[:4]] == pytest.approx([0.2] * 4)


def test_it_goes_on_from_its_state() -> None:
    whole = with_warm_start(LambdaLR(optimizer(), lambda step: 0.9**step), 5, 2.0)
    half = with_warm_start(LambdaLR(optimizer(), lambda step: 0.9**step), 5, 2.0)
    rates(half, 3)
    resumed = with_warm_start(LambdaLR(optimizer(), lambda step: 0.9**step), 5, 2.0)
    resumed.load_state_dict(half.state_dict())
    resumed.optimizer.load_state_dict(half.optimizer.state_dict())
    assert rates(resumed, 6) == rates(whole, 9)[3:]


def test_a_schedule_that_is_no_function_of_the_step_is_refused() -> None:
    with pytest.raises(UserError, match=r"lr_scheduler_type: got one that makes StepLR; .* linear, cosine, constant"):
        with_warm_start(StepLR(optimizer(), 3), 5, 1.0)  # type: ignore[arg-type]


def test_a_fine_tuning_falls_to_zero_after_a_schedule_that_stays_as_it_was() -> None:
    own = optimizer()
    before = LambdaLR(own, [lambda step: 1 / (step + 1), lambda step: 1.0])
    found = rates(with_finetuning(before, 3, 4, 0.5), 9)
    tail = [0.5, 0.375, 0.25, 0.125, 0.0, 0.0]
    assert [row[0] for row in found] == pytest.approx([0.1 * f for f in [1, 1 / 2, 1 / 3, *tail]])
    assert [row[1] for row in found] == pytest.approx([0.01 * f for f in [1, 1, 1, *tail]])
    alone = rates(get_cosine_schedule_with_warmup(optimizer(), 3, 12), 12)
    assert rates(with_finetuning(get_cosine_schedule_with_warmup(optimizer(), 3, 12), 12, 2, 1.0), 12) == alone


def test_a_fine_tuning_needs_a_function_of_the_step() -> None:
    with pytest.raises(UserError, match=r"got one that makes StepLR; with finetune_steps allowed are"):
        with_finetuning(StepLR(optimizer(), 3), 5, 2, 1.0)

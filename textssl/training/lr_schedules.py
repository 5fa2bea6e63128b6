"""Learning-rate schedules of training, beside the ramps of loss weights in ``textssl.functional``."""

from __future__ import annotations

from collections.abc import Callable

from torch.optim.lr_scheduler import LambdaLR, LRScheduler

from ..errors import UserError


__all__ = ["with_finetuning", "with_warm_start"]


def with_warm_start(scheduler: LRScheduler, steps: int, ratio: float) -> LambdaLR:
    """Put a warm start before a schedule.

    Args:
        scheduler: the schedule that follows; its step 0 becomes step ``steps``.
        steps: length of the warm start. The first tenth of it rises linearly.
        ratio: peak of the warm start, in units of the optimizer's learning rate.

    Raises:
        UserError: a schedule that is no function of the step alone.
    """
    rise = max(steps // 10, 1)

    def preceded(follow: Callable[[int], float]) -> Callable[[int], float]:
        def factor(step: int) -> float:
            return ratio * min((step + 1) / rise, 1.0) if step < steps else follow(step - steps)

        return factor

    return LambdaLR(scheduler.optimizer, [preceded(follow) for follow in _factors(scheduler, "warm_start_steps")])


def with_finetuning(scheduler: LRScheduler, start: int, steps: int, ratio: float) -> LambdaLR:
    """Put a fine-tuning after a schedule: a linear fall to 0.

    Args:
        scheduler: the schedule that goes before.
        start: the first step of the fine-tuning.
        steps: length of the fine-tuning.
        ratio: learning rate of its first step, in units of the optimizer's.

    Raises:
        UserError: a schedule that is no function of the step alone.
    """

    def followed(before: Callable[[int], float]) -> Callable[[int], float]:
        def factor(step: int) -> float:
            return before(step) if step < start else ratio * max(1 - (step - start) / steps, 0.0)

        return factor

    return LambdaLR(scheduler.optimizer, [followed(before) for before in _factors(scheduler, "finetune_steps")])


def _factors(scheduler: LRScheduler, setting: str) -> list[Callable[[int], float]]:
    """Factor on each learning rate by the step; UserError where there is none, for ``setting`` needs it."""
    if not isinstance(scheduler, LambdaLR):
        raise UserError(
            f"lr_scheduler_type: got one that makes {type(scheduler).__name__}; with {setting} "
            "allowed are: linear, cosine, constant, constant_with_warmup, polynomial, inverse_sqrt"
        )
    factors: list[Callable[[int], float]] = scheduler.lr_lambdas
    return factors

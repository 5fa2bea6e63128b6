"""Seconds that may be spent, and what can still be started with those that are left."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from ..errors import UserError


__all__ = ["LEVEL_SECONDS", "Budget", "check_time_budget"]

# What the candidates of a level may take once the embeddings are there; a time budget of one's own replaces it.
LEVEL_SECONDS: dict[str, float | None] = {"fast": 70.0, "balanced": 1050.0, "best": None}


class Budget:
    """A stop watch with an end.

    Args:
        seconds: from now on; ``None`` for no end.
        clock: seconds of a clock that never goes back.
    """

    def __init__(self, seconds: float | None, clock: Callable[[], float] = time.monotonic) -> None:
        self.seconds = math.inf if seconds is None else float(seconds)
        self._clock = clock
        self._start = clock()

    @property
    def spent(self) -> float:
        """Seconds since the start."""
        return self._clock() - self._start

    @property
    def left(self) -> float:
        """Seconds until the end, below 0 after it; infinity where there is none."""
        return self.seconds - self.spent

    @property
    def endless(self) -> bool:
        """Whether there is no end."""
        return math.isinf(self.seconds)

    def trainings(self, seconds: float, reserve: float) -> int:
        """How many trainings can be started.

        Args:
            seconds: one takes.
            reserve: seconds that must be left afterwards.
        """
        if self.endless:
            return 1_000_000
        return max(0, int((self.left - reserve) / max(seconds, 1e-3)))

    def describe_left(self) -> str:
        """What is left, for a line of progress."""
        return "" if self.endless else f", at most {max(0, round(self.left)):,} s left"


def check_time_budget(time_budget: float | None) -> None:
    """Raise UserError unless ``time_budget`` is ``None`` or a positive number of seconds."""
    if time_budget is None:
        return
    number = isinstance(time_budget, int | float) and not isinstance(time_budget, bool)
    if not number or not 0 < time_budget < math.inf:
        raise UserError(f"time_budget: got {time_budget!r}; expected seconds, above 0, or None for no limit")

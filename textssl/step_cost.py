"""What a training step of a method costs, in passes over the labeled and the unlabeled rows of a batch."""

from __future__ import annotations

from dataclasses import dataclass


__all__ = ["StepCost"]

# A backward takes the time of two forwards.
BACKWARD = 2


@dataclass(frozen=True)
class StepCost:
    """Passes of a step, of all networks together, with the default settings and every row kept.

    Attributes:
        forward: how often the B labeled rows and the muB unlabeled rows go forward.
        backward: how often gradients of either come back through the whole network.
        besides: what is done outside of the steps, as a phrase; "" for nothing.
    """

    forward: tuple[float, float]
    backward: tuple[float, float]
    besides: str = ""

    def relative(self, mu: int) -> float:
        """The cost of a step in steps of supervised training on as many labeled rows.

        Args:
            mu: unlabeled rows for each labeled one.
        """
        labeled, unlabeled = (f + BACKWARD * b for f, b in zip(self.forward, self.backward, strict=True))
        return (labeled + mu * unlabeled) / (1 + BACKWARD)

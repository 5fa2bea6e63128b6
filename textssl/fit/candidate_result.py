"""How one candidate of a search did."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..errors import UserError
from .candidates.base import Candidate
from .folds import Fold
from .out_of_fold import OutOfFold
from .store import Outputs


__all__ = ["Result", "failure_message"]


@dataclass(eq=False)
class Result:
    """How one candidate did.

    Attributes:
        candidate: what was tried.
        outputs: of each fold that was run, in the order of ``folds``.
        folds: those that were run.
        out_of_fold: logits of held-out examples; ``None`` where fewer than two folds were run.
        teacher: name of the candidate whose probabilities it learned from, if any.
        skipped: why it was not tried, or not to the end; empty otherwise.
    """

    candidate: Candidate
    outputs: list[Outputs] = field(default_factory=list)
    folds: list[Fold] = field(default_factory=list)
    out_of_fold: OutOfFold | None = None
    teacher: str | None = None
    skipped: str = ""

    @property
    def seconds(self) -> float:
        """Seconds of all trainings."""
        return sum(output.seconds for output in self.outputs)

    @property
    def seconds_each(self) -> float:
        """That one training took on average; 0 without any."""
        return self.seconds / len(self.outputs) if self.outputs else 0.0


def failure_message(error: Exception) -> str:
    """One line about a candidate that failed; the kind of error where its message was not written for a person."""
    message = " ".join(str(error).split())
    return message if isinstance(error, UserError) else f"{type(error).__name__}: {message}"

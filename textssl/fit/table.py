"""The table of candidates, as rows and as text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


__all__ = ["CandidateRow", "candidate_table"]

HEADER = (
    "candidate",
    "log-loss",
    "+-",
    "against baseline (90 %)",
    "accuracy %",
    "macro-F1 %",
    "seconds",
    "status",
)


@dataclass(frozen=True)
class CandidateRow:
    """One candidate of a search. What was not measured is ``None``.

    Attributes:
        name: of the candidate.
        log_loss: of held-out examples, after calibration.
        error: standard error of ``log_loss``.
        difference: log-loss minus that of the baseline, on the examples and folds that both were scored on.
        low: lower end of its interval of 90 %.
        high: upper end.
        accuracy: on held-out examples.
        macro_f1: on held-out examples.
        seconds: that its trainings on folds took, when they were run.
        status: ``"chosen"``, ``"averaged"``, ``"not chosen"`` or ``"skipped: ..."``, with the reason.
    """

    name: str
    log_loss: float | None
    error: float | None
    difference: float | None
    low: float | None
    high: float | None
    accuracy: float | None
    macro_f1: float | None
    seconds: float | None
    status: str

    def cells(self) -> tuple[str, ...]:
        """What the table shows."""
        gap = "-" if self.difference is None else f"{self.difference:+.3f} ({self.low:+.3f} to {self.high:+.3f})"
        percent = ["-" if share is None else f"{100 * share:.1f}" for share in (self.accuracy, self.macro_f1)]
        losses = ["-" if loss is None else f"{loss:.3f}" for loss in (self.log_loss, self.error)]
        seconds = "-" if self.seconds is None else f"{self.seconds:.1f}"
        return (self.name, *losses, gap, *percent, seconds, self.status)


def candidate_table(rows: Sequence[CandidateRow]) -> str:
    """The rows as lines of equal width, without a line break at the end."""
    lines = [HEADER, *(row.cells() for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    rule = "+" + "+".join("-" * (width + 2) for width in widths) + "+"
    drawn = []
    for line in lines:
        cells = [
            cell.ljust(width) if place in (0, len(HEADER) - 1) else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        drawn.append(f"| {' | '.join(cells)} |")
    return "\n".join([rule, drawn[0], rule, *drawn[1:], rule])

"""All methods, a line each."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from .summaries import MethodSummary


__all__ = ["methods_overview"]

HEAD = ("method", "needs", "cost", "idea")
NOTES = (
    "cost: of a step, in steps of supervised training on as many labels, with the default number of unlabeled ones.",
    "A teacher or a second network is made and trained by the library unless you give one.",
)
# Narrower ideas would take more lines than they are worth.
LEAST_IDEA = 30


def methods_overview(summaries: Sequence[MethodSummary], width: int) -> str:
    """A table of methods whose last column is wrapped, and what its columns mean.

    Args:
        summaries: of the methods, in their order.
        width: of a line.
    """
    rows = [(s.name, ", ".join(s.needs) or "labels alone", _cost(s), _idea(s)) for s in summaries]
    widths = [max(len(row[place]) for row in [HEAD, *rows]) for place in range(3)]
    left = sum(widths) + 2 * len(widths)
    lines = [_line(HEAD, widths), "  ".join("-" * size for size in [*widths, max(width - left, LEAST_IDEA)])]
    for *cells, idea in rows:
        first, *rest = textwrap.wrap(idea, max(width - left, LEAST_IDEA))
        lines += [_line([*cells, first], widths), *[" " * left + line for line in rest]]
    return "\n".join([*lines, "", *[textwrap.fill(note, width) for note in NOTES]])


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    name, needs, cost, idea = cells
    return f"{name:<{widths[0]}}  {needs:<{widths[1]}}  {cost:>{widths[2]}}  {idea}"


def _cost(summary: MethodSummary) -> str:
    return "" if summary.relative_cost is None else f"{summary.relative_cost:.1f}"


def _idea(summary: MethodSummary) -> str:
    alone = f" For {summary.modalities[0]} alone." if len(summary.modalities) == 1 else ""
    return summary.idea + alone

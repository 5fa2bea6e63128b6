"""What the cells of a comparison say together: a line for each method and number of labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from .grid import BASELINE, Cell, Grid
from .statistics import Interval, mean_interval, paired_by_example


__all__ = ["MethodSummary", "findings", "summarize"]

Result = Mapping[str, Any]


@dataclass(frozen=True)
class MethodSummary:
    """All seeds of one method with one number of labels.

    Attributes:
        method: its name.
        labels: number of labeled examples, where the grid says it.
        results: of the seeds that have finished, with what each measured.
        failed: one line for each seed that failed.
        accuracy: mean over seeds.
        difference: of the accuracy to the baseline's, paired by seed; of one seed, by example. ``None`` for the
            baseline, and without one.
        differences: of each seed.
    """

    method: str
    labels: int | None
    results: Mapping[int, Result]
    failed: Mapping[int, str]
    accuracy: Interval | None
    difference: Interval | None
    differences: Mapping[int, float]

    @property
    def accuracies(self) -> dict[int, float]:
        """Of each seed, where it was measured."""
        return _known(self.results, "accuracy")

    def mean(self, figure: str) -> float | None:
        """Mean over seeds of ``macro_f1``, ``log_loss`` or ``seconds``."""
        found = [*_known(self.results, figure).values()]
        return float(np.mean(found)) if found else None


def summarize(
    grid: Grid,
    results: Mapping[Cell, Result],
    failures: Mapping[Cell, str],
    right_of: Callable[[Cell], np.ndarray | None],
) -> list[MethodSummary]:
    """The lines of the table, those of one number of labels beside each other, the baseline first.

    Args:
        grid: of the cells.
        results: of the cells that have finished.
        failures: why others failed.
        right_of: whether each example was predicted right in a cell; ``None`` where nobody knows.
    """
    lines = []
    for labels in grid.labels or (None,):
        for method in grid.rows:
            cells = [Cell(method, labels, seed) for seed in grid.seeds]
            own = {cell.seed: results[cell] for cell in cells if cell in results}
            failed = {cell.seed: failures[cell] for cell in cells if cell in failures}
            lines.append(_summary(method, labels, own, failed, results, right_of))
    return lines


def findings(lines: list[MethodSummary]) -> list[str]:
    """A sentence for each method that is worse than the baseline: unlabeled data may hurt."""
    found = []
    baselines = {line.labels: line for line in lines if line.method == BASELINE}
    for line in lines:
        if line.difference is None:
            continue
        seeds = f"{len(line.differences)} seed" + ("s" if len(line.differences) > 1 else "")
        name = line.method if line.labels is None else f"{line.method} with {line.labels} labels"
        losses = line.mean("log_loss"), baselines[line.labels].mean("log_loss")
        if line.difference.mean < 0:
            found.append(f"{name} lost to {BASELINE}: {100 * line.difference.mean:+.1f} points ({seeds})")
        elif losses[0] is not None and losses[1] is not None and losses[0] > losses[1]:
            found.append(
                f"{name}: log-loss {losses[0]:.3f} against {losses[1]:.3f} of {BASELINE}: its "
                "accuracy is not lower, its probabilities are worse"
            )
    return found


def _summary(
    method: str,
    labels: int | None,
    own: Mapping[int, Result],
    failed: Mapping[int, str],
    results: Mapping[Cell, Result],
    right_of: Callable[[Cell], np.ndarray | None],
) -> MethodSummary:
    accuracies = _known(own, "accuracy")
    baseline = {seed: results.get(Cell(BASELINE, labels, seed), {}).get("accuracy") for seed in accuracies}
    differences = {}
    if method != BASELINE:
        differences = {seed: accuracies[seed] - there for seed, there in baseline.items() if there is not None}
    difference = mean_interval([*differences.values()])
    if len(differences) == 1:
        cell = Cell(method, labels, *differences)
        pair = right_of(cell), right_of(cell.baseline)
        if pair[0] is not None and pair[1] is not None and len(pair[0]) == len(pair[1]):
            difference = paired_by_example(pair[0], pair[1])
    return MethodSummary(method, labels, own, failed, mean_interval([*accuracies.values()]), difference, differences)


def _known(results: Mapping[int, Result], figure: str) -> dict[int, float]:
    return {seed: result[figure] for seed, result in results.items() if result.get(figure) is not None}

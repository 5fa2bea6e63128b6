"""The page of the table: Markdown, made of cells."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np

from .cells import Cell
from .data import DRAWINGS, LABELS, TASKS
from .figures import paired_interval


__all__ = ["page"]

PROBE, ALL_LABELS = "probe", "all labels"
HALVES = {"choose": "The half that defaults were chosen on", "report": "The half that is only reported"}
TITLES = {"balanced": "balanced labels", "drawn": "labels as drawn"}
HEAD = """# Every method on tasks that it was not tuned for

Made by `tests/benchmarks/table_tasks.py` of its cells; not written by hand.

Accuracy in percent on held-out examples: the mean over seeds and, behind it, the worst seed. All rows of a task see
the same labeled, unlabeled and test examples (at most 5,500 to train on, 1,500 to measure on). Text features are
embeddings of all-MiniLM-L6-v2, those of images their gray pixels. `balanced` draws so many labels of each class (all,
where a class has fewer); `as drawn` as many in all, whatever their classes. Rows beginning with `features:`, `text:`
or `image:` are recipes with their `cpu` preset; `fit:` is `fit_classifier` at a level. `probe` is scikit-learn's
logistic regression (C = 10) on the features, and `all labels` the same with the labels of all training examples.
`seconds` are those of one processor, without the embedding of texts.

Defaults were chosen on Rotten Tomatoes, the ten even newsgroups, Reuters R52 and the digits; nothing was chosen on the
election tweets, IMDb, the ten odd newsgroups, MNIST and the drawn shapes.

`against the probe` is the mean difference of accuracy over seeds, in points, with its 90 % interval: a bootstrap over
seeds and test examples, paired. Three seeds say little about seeds: intervals are narrow where the seeds agree.
"""


def page(cells: Iterable[Cell]) -> str:
    """The whole page.

    Args:
        cells: of one setting for each row and task.
    """
    whole = [cell for cell in cells if cell.error is None]
    failed = [cell for cell in cells if cell.error is not None]
    parts = [HEAD]
    for half, title in HALVES.items():
        parts.append(f"## {title}\n")
        names = [name for name, named in TASKS.items() if named.half == half]
        parts.append(_summary([cell for cell in whole if cell.key.task in names]))
        for name in names:
            of_task = [cell for cell in whole if cell.key.task == name]
            if of_task:
                parts.append(_task_section(name, of_task))
    if failed:
        parts.append("## Cells that failed\n")
        parts += [f"- {_named(cell)}: {cell.error}" for cell in failed]
    return "\n".join(parts).rstrip() + "\n"


def _named(cell: Cell) -> str:
    draw = cell.key.draw
    return f"{cell.key.task}, {draw.labels} labels a class, {TITLES[draw.drawing]}, seed {draw.seed}, `{cell.key.row}`"


def _summary(cells: Sequence[Cell]) -> str:
    """Mean over tasks, of rows that have a cell for each task that the probe has one for."""
    lines = []
    for drawing in DRAWINGS:
        for labels in LABELS:
            here = [c for c in cells if c.key.draw.drawing == drawing and c.key.draw.labels == labels]
            lines += _summary_of(here, f"{labels} labels a class, {TITLES[drawing]}")
    return "\n".join(lines)


def _summary_of(cells: Sequence[Cell], title: str) -> list[str]:
    accuracy: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for cell in cells:
        accuracy[cell.key.row][cell.key.task].append(100 * cell.figures["accuracy"])
    # Without labels there is no probe.
    measured = accuracy[PROBE] if PROBE in accuracy else {task: [] for of_row in accuracy.values() for task in of_row}
    tasks = [name for name in TASKS if name in measured]
    if len(tasks) < 2:
        return []
    lines = [f"### {title}: all tasks\n", f"| row | {' | '.join(tasks)} | mean |", "|---|" + "---|" * (len(tasks) + 1)]
    rows = []
    for row, of_row in accuracy.items():
        means = [float(np.mean(of_row[task])) if task in of_row else None for task in tasks]
        known = [value for value in means if value is not None]
        mean = float(np.mean(known)) if len(known) == len(tasks) else None
        rows.append((mean if mean is not None else -1, row, [*means, mean]))
    for _, row, values in sorted(rows, key=lambda item: (-item[0], item[1])):
        lines.append(f"| {row} | {' | '.join('-' if v is None else f'{v:.1f}' for v in values)} |")
    return [*lines, ""]


def _task_section(name: str, cells: Sequence[Cell]) -> str:
    lines = [f"### {name}\n"]
    for drawing in DRAWINGS:
        for labels in LABELS:
            here = [c for c in cells if c.key.draw.drawing == drawing and c.key.draw.labels == labels]
            if here:
                lines += _table(here, f"{labels} labels a class, {TITLES[drawing]}")
    return "\n".join(lines)


def _table(cells: Sequence[Cell], title: str) -> list[str]:
    by_row: dict[str, list[Cell]] = defaultdict(list)
    for cell in sorted(cells, key=lambda cell: cell.key.draw.seed):
        by_row[cell.key.row].append(cell)
    probe = {cell.key.draw.seed: cell for cell in by_row.get(PROBE, [])}
    lines = [
        f"{title}:\n",
        "| row | seeds | accuracy (worst) | against the probe | macro-F1 | log-loss | ECE | seconds |",
        "|---|---|---|---|---|---|---|---|",
    ]
    ordered = sorted(by_row.items(), key=lambda item: -_mean(item[1], "accuracy"))
    lines += [_line(row, of_row, probe) for row, of_row in ordered]
    return [*lines, ""]


def _line(row: str, cells: Sequence[Cell], probe: dict[int, Cell]) -> str:
    worst = 100 * min(cell.figures["accuracy"] for cell in cells)
    seeds = ", ".join(str(cell.key.draw.seed) for cell in cells)
    return (
        f"| {row} | {seeds} | {100 * _mean(cells, 'accuracy'):.1f} ({worst:.1f}) | {_against(row, cells, probe)} | "
        f"{100 * _mean(cells, 'macro_f1'):.1f} | {_mean(cells, 'log_loss'):.3f} | {_mean(cells, 'ece'):.3f} | "
        f"{np.mean([cell.seconds for cell in cells]):.1f} |"
    )


def _against(row: str, cells: Sequence[Cell], probe: dict[int, Cell]) -> str:
    if row == PROBE or not all(cell.key.draw.seed in probe for cell in cells):
        return ""
    pairs = [(cell, probe[cell.key.draw.seed]) for cell in cells]
    differences = 100 * np.array(
        [
            np.subtract(ours.per_example["correct"], theirs.per_example["correct"], dtype=np.float64)
            for ours, theirs in pairs
        ]
    )
    low, high = paired_interval(differences)
    return f"{differences.mean():+.1f} [{low:+.1f}, {high:+.1f}]"


def _mean(cells: Sequence[Cell], figure: str) -> float:
    return float(np.mean([cell.figures[figure] for cell in cells]))

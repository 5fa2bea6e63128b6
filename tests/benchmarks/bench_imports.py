"""CPU time of importing textssl and one trainer, against Trainer and datasets, which any fine-tuning imports.

Each import runs in fresh processes, which take turns, so that a busy machine slows all of them; the figures are
medians of CPU seconds of the whole process, and their ratios. The first round fills the caches and is not counted.

    OMP_NUM_THREADS=1 python tests/benchmarks/bench_imports.py [ROUNDS]
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from pathlib import Path


os.environ.setdefault("HF_HUB_OFFLINE", "1")

ROOT = Path(__file__).parents[2]
STOCK = "from transformers import Trainer; import datasets"
PROGRAMS = {
    "nothing": "pass",
    "import textssl": "import textssl",
    "Trainer and datasets": STOCK,
    "from textssl import UDATrainer": "from textssl import UDATrainer",
    "Trainer, datasets, then UDATrainer": f"{STOCK}; from textssl import UDATrainer",
    "all of textssl": "from textssl import *",
}
# What is promised.
MOST_SECONDS = 0.1
MOST_RATIO = 1.1


def cpu_seconds(program: str) -> float:
    """User and system time of a fresh Python that runs ``program``."""
    command = [sys.executable, "-c", f"{program}\nimport time; print(time.process_time())"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    return float(done.stdout)


def main() -> int:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    spent: dict[str, list[float]] = {name: [] for name in PROGRAMS}
    for number in range(rounds + 1):
        for name, program in PROGRAMS.items():
            seconds = cpu_seconds(program)
            if number:
                spent[name].append(seconds)
    medians = {name: statistics.median(seconds) for name, seconds in spent.items()}
    stock = medians["Trainer and datasets"]
    print(f"{'':38}{'CPU seconds':>12}{'ratio':>8}")
    for name, seconds in medians.items():
        print(f"{name:38}{seconds:12.3f}{seconds / stock:8.2f}")
    kept = (
        medians["import textssl"] <= MOST_SECONDS and medians["from textssl import UDATrainer"] <= MOST_RATIO * stock
    )
    print("within" if kept else "NOT within", f"{MOST_SECONDS} s and {MOST_RATIO} times Trainer and datasets")
    return not kept


if __name__ == "__main__":
    sys.exit(main())

"""The row of SetFit, in a process of its own environment."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np

from textssl.models import embedded_model_path

from .data import MAX_LENGTH, Problem


__all__ = ["setfit"]

SCRIPT = Path(__file__).with_name("setfit_script.py")


def setfit(problem: Problem, python: str, folder: Path) -> tuple[np.ndarray, dict[str, Any]]:
    """Probabilities [n, C] of the test examples, by SetFit's defaults on the same encoder; and its versions."""
    task = problem.task
    given = {
        "texts": task.train.select(problem.labeled)[task.column][:],
        "labels": problem.labels.tolist(),
        "test": task.test[task.column][:],
        "num_labels": problem.num_labels,
        "model": str(embedded_model_path()),
        "max_length": MAX_LENGTH,
        "seed": problem.draw.seed,
    }
    (folder / "in.json").write_text(json.dumps(given), encoding="utf-8")
    # The process must see none of this project's packages.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [python, str(SCRIPT), str(folder / "in.json"), str(folder / "out.json")],
        capture_output=True,
        text=True,
        env=environment,
        cwd=folder,
    )
    if done.returncode:
        raise RuntimeError(f"SetFit ended with {done.returncode}: {done.stderr.strip().splitlines()[-1:]}")
    told = json.loads((folder / "out.json").read_text(encoding="utf-8"))
    return np.array(told["probs"]), {"cpu_seconds": told["seconds"], **told["versions"]}

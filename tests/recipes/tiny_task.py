"""A task, a model and a recipe run that take a second: what a person has on the disk, made tiny."""

from __future__ import annotations

import csv
import json
import os
import re
import runpy
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from safetensors.torch import load_file

from tests.contract.cases import model, texts, tokenizer
from tests.fork_server import run_python


ROOT = Path(__file__).resolve().parents[2]
RECIPE = ROOT / "recipes" / "uda_imdb.py"
AT_MOMENT = Path(__file__).with_name("at_moment.py")
LABELS = ("bad", "fair", "good")
# Everything that could go wrong in a resume is on: dropout, a teacher, a running distribution, a warm start.
SETTINGS: dict[str, Any] = {
    "preset": "cpu",
    "strong": "tfidf",
    "max_length": 16,
    "baseline_steps": 8,
    "baseline_learning_rate": 5e-3,
    "warm_start_steps": 2,
    "max_steps": 12,
    "learning_rate": 5e-3,
    "save_steps": 4,
    "logging_steps": 1,
    "teacher_decay": 0.5,
    "distribution_alignment": True,
    "threshold": 0.4,
}


@dataclass(frozen=True)
class TinyTask:
    """A folder with `model`, `few.csv`, `many.jsonl` and `held_out.csv`."""

    folder: Path

    def flags(self, out: Path | str, *more: str, **changes: Any) -> list[str]:
        """The command line of a run on own files; a change to None leaves a flag out."""
        files = {
            "model": self.folder / "model",
            "train_file": self.folder / "few.csv",
            "unlabeled_file": self.folder / "many.jsonl",
            "test_file": self.folder / "held_out.csv",
        }
        settings = {**files, **SETTINGS, "output_dir": out, **changes}
        return [f"--{name}={value}" for name, value in settings.items() if value is not None] + list(more)


def make_task(folder: Path) -> TinyTask:
    model(dropout=0.1).save_pretrained(folder / "model")
    tokenizer().save_pretrained(folder / "model")
    write_csv(folder / "few.csv", *texts(12, 1))
    write_csv(folder / "held_out.csv", *texts(30, 3))
    write_jsonl(folder / "many.jsonl", [{"text": text} for text in texts(60, 2)[0]])
    return TinyTask(folder)


def write_csv(path: Path, drawn: Sequence[str], labels: Sequence[int]) -> Path:
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["text", "label"])
        rows.writerows((text, LABELS[label]) for text, label in zip(drawn, labels, strict=True))
    return path


def write_jsonl(path: Path, rows: Sequence[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def run_recipe(
    flags: Sequence[str], cwd: Path, *, wrapper: Sequence[str | Path] = ()
) -> subprocess.CompletedProcess[str]:
    """Run the recipe in a process of its own and from some other folder, under a script that may end it early."""
    cwd.mkdir(exist_ok=True)
    return run_python([*wrapper, RECIPE, *flags], cwd=cwd, env=environment(), timeout=500)


def launch_recipe(
    flags: Sequence[str],
    cwd: Path,
    *,
    env: dict[str, str],
    launcher: Sequence[str | Path] = (sys.executable,),
) -> subprocess.CompletedProcess[str]:
    """Run the recipe as a person does, with a new interpreter: for a Hub of its own, or a launcher."""
    return launch([str(RECIPE), *flags], cwd, env=env, launcher=launcher)


def launch(
    words: Sequence[str], cwd: Path, *, env: dict[str, str], launcher: Sequence[str | Path] = (sys.executable,)
) -> subprocess.CompletedProcess[str]:
    """Run a script, or with ``-m`` a module, in a new interpreter or by a launcher."""
    command = [*map(str, launcher), *words]
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=500)


def environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""}


@cache
def recipe_main() -> Callable[[], None]:
    main: Callable[[], None] = runpy.run_path(str(RECIPE))["main"]
    return main


def finished(done: subprocess.CompletedProcess[str]) -> subprocess.CompletedProcess[str]:
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def error_line(stderr: str) -> str:
    """The one line that a mistake is told in."""
    lines = re.split(r"[\r\n]+", stderr.strip())
    told = [line for line in lines if line.startswith("error: ")]
    assert len(told) == 1, stderr
    assert lines[-1] == told[0], stderr
    assert "Traceback" not in stderr
    return told[0]


def tree(folder: Path) -> dict[str, int]:
    """Every file below a folder, and when it was last written."""
    return {str(p.relative_to(folder)): p.stat().st_mtime_ns for p in folder.rglob("*") if p.is_file()}


def weights(path: Path) -> dict[str, Any]:
    return load_file(path / "model.safetensors")


def comparable(results: dict[str, Any]) -> dict[str, Any]:
    """Results without clock readings and the mean loss: Trainer takes both of the last piece of a run alone."""
    clock = re.compile(r"seconds|train_loss|.*_(runtime|per_second|preparation_time)")
    kept: dict[str, Any] = {}
    for stage, result in results.items():
        rows = [{k: v for k, v in row.items() if not clock.fullmatch(k)} for row in result["history"]]
        kept[stage] = {k: v for k, v in result.items() if not clock.fullmatch(k)} | {"history": rows}
    return kept

"""A run that is killed with SIGKILL, again and again, ends where an undisturbed one does, bit by bit."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch

from tests.recipes.conftest import WholeRun
from tests.recipes.tiny_task import AT_MOMENT, TinyTask, comparable, finished, run_recipe, weights
from textssl.training.checkpoints import sealed_checkpoints


# Five processes one after the other, on a machine that may be busy.
pytestmark = pytest.mark.timeout(1800)


@dataclass
class Trail:
    """What stood in the folder after each kill."""

    out: Path
    sealed: list[dict[str, list[int]]] = field(default_factory=list)
    begun: list[set[str]] = field(default_factory=list)
    done: list[set[str]] = field(default_factory=list)
    written: dict[str, int] = field(default_factory=dict)
    last: subprocess.CompletedProcess[str] | None = None

    def note(self) -> None:
        stages = {path.name: path for path in self.out.iterdir() if path.is_dir()}
        found = {name: sealed_checkpoints(path) for name, path in stages.items()}
        self.sealed.append({name: [int(p.name[11:]) for p in paths] for name, paths in found.items()})
        self.begun.append({str(p.relative_to(self.out)) for p in self.out.glob("*/checkpoint-*")})
        self.done.append({name for name, path in stages.items() if (path / "result.json").exists()})


@pytest.fixture(scope="module")
def trail(task: TinyTask, tmp_path_factory: pytest.TempPathFactory) -> Trail:
    cwd = tmp_path_factory.mktemp("killed")
    trail = Trail(cwd / "out")
    # One in the baseline before any checkpoint, two in the middle of a save, one between the method's 4 and 8.
    moments: Sequence[tuple[str, str]] = [
        ("logs", r"'loss'.*'epoch': 1\.0"),
        ("opens", r"supervised/checkpoint-8/trainer_state\.json"),
        ("opens", r"uda/checkpoint-4/\.?seal\.json"),
        ("logs", r"'ssl/confidence'.*'epoch': 2\.33"),
    ]
    for number, (what, pattern) in enumerate(moments):
        flags = task.flags("out", *(["--resume_from_checkpoint"] if number else []))
        done = run_recipe(flags, cwd, wrapper=[AT_MOMENT, "kill", what, pattern])
        assert done.returncode == -signal.SIGKILL, f"never came to {pattern}: {done.stdout}{done.stderr}"
        trail.note()
        if "supervised" in trail.done[-1]:
            trail.written.setdefault("supervised", (trail.out / "supervised" / "result.json").stat().st_mtime_ns)
    trail.last = finished(run_recipe(task.flags("out", "--resume_from_checkpoint"), cwd))
    return trail


def test_the_kills_came_when_they_should(trail: Trail) -> None:
    assert trail.sealed == [
        {"supervised": []},
        {"supervised": [4]},
        {"supervised": [4, 8], "uda": []},
        {"supervised": [4, 8], "uda": [4]},
    ]
    assert "supervised/checkpoint-8" in trail.begun[1]
    assert "uda/checkpoint-4" in trail.begun[2]
    assert "uda/checkpoint-8" not in trail.begun[3]
    assert trail.done == [set(), set(), {"supervised"}, {"supervised"}]


@pytest.mark.parametrize("stage", ["supervised", "uda"])
def test_weights_are_bit_identical(trail: Trail, whole: WholeRun, stage: str) -> None:
    a, b = weights(whole.out / stage), weights(trail.out / stage)
    assert a.keys() == b.keys()
    assert all(torch.equal(a[name], b[name]) for name in a)


def test_results_are_equal(trail: Trail, whole: WholeRun) -> None:
    a, b = (json.loads((out / "results.json").read_text()) for out in (whole.out, trail.out))
    assert comparable(a) == comparable(b)
    # The comparison is of something: the method's own terms, at every step after the warm start.
    masked = [row["ssl/mask_rate"] for row in b["uda"]["history"] if "ssl/mask_rate" in row]
    assert len(masked) == 10
    assert max(masked) > 0


def test_a_finished_stage_is_not_repeated(trail: Trail) -> None:
    result = trail.out / "supervised" / "result.json"
    assert result.stat().st_mtime_ns == trail.written["supervised"]
    assert trail.last is not None
    assert re.findall(r"^(\w+): [\d,]+ steps in", trail.last.stderr, re.MULTILINE) == ["uda"]
    assert "| supervised |" in trail.last.stdout
    assert "| uda " in trail.last.stdout


def test_nothing_half_written_is_left(trail: Trail, whole: WholeRun) -> None:
    def names(out: Path) -> set[str]:
        return {str(path.relative_to(out)) for path in out.rglob("*") if "/runs/" not in str(path) and path.is_file()}

    assert names(trail.out) == names(whole.out)

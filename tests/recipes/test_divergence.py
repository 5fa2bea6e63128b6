"""A recipe whose method diverges: one line, exit status 2, no results; the checkpoint before is there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.recipes.tiny_task import TinyTask


def test_a_diverged_recipe_ends_in_one_line(
    call: Callable[[Sequence[str]], int], task: TinyTask, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = task.flags("out", learning_rate=1e20, save_steps=1, baseline_steps=2)
    assert call(flags) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert "training diverged: " in line
    assert "checkpoint" in line
    assert not list(tmp_path.rglob("results.json"))

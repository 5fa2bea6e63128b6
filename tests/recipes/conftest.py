"""One tiny task, and one uninterrupted run of the recipe on it, for all tests of this folder."""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.recipes.tiny_task import TinyTask, make_task, recipe_main
from textssl.cli.program import run_program


@dataclass(frozen=True)
class WholeRun:
    """A run that nothing disturbed: its folder, the folder it was called in, what it printed."""

    out: Path
    cwd: Path
    stdout: str


@pytest.fixture(scope="session")
def task(tmp_path_factory: pytest.TempPathFactory) -> TinyTask:
    return make_task(tmp_path_factory.mktemp("task"))


@pytest.fixture(scope="session")
def whole(task: TinyTask, tmp_path_factory: pytest.TempPathFactory) -> WholeRun:
    cwd, printed = tmp_path_factory.mktemp("whole"), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(printed):
        patch.chdir(cwd)
        patch.setattr(sys, "argv", ["uda_imdb.py", *task.flags("out", report_to="tensorboard")])
        recipe_main()()
    return WholeRun(cwd / "out", cwd, printed.getvalue())


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[Sequence[str]], int]:
    """Run the recipe in this process, from the empty folder `tmp_path`/cwd; returns the exit code."""
    cwd = tmp_path / "cwd"
    cwd.mkdir()
    monkeypatch.chdir(cwd)

    def program(flags: Sequence[str]) -> int:
        monkeypatch.setattr(sys, "argv", ["uda_imdb.py", *flags])
        with pytest.raises(SystemExit) as end:
            run_program(recipe_main())
        return int(end.value.code or 0)

    return program

"""Recipes run in this process, and a person's own pictures, made tiny."""

from __future__ import annotations

import contextlib
import io
import runpy
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from PIL import Image

from tests.contract.tiny_images import images
from tests.recipes.tiny_task import ROOT
from textssl.cli.program import run_program


# The place of a bright bar tells them apart.
KINDS = ("cat", "dog", "owl")
QUICK: dict[str, Any] = {
    "preset": "cpu",
    "max_steps": 2,
    "baseline_steps": 2,
    "logging_steps": 1,
    "report_to": "none",
    "disable_tqdm": True,
}


@dataclass(frozen=True)
class Ran:
    """How a recipe ended, and what it printed."""

    code: int
    stdout: str
    stderr: str

    @property
    def printed(self) -> str:
        """All of it: results go to standard output, what is said on the way to standard error."""
        return self.stdout + self.stderr


def run(script: str, out: Path | str, **settings: Any) -> Ran:
    """Run a recipe for two steps, with more or other settings; None leaves a flag out."""
    flags = {**QUICK, "output_dir": out, **settings}
    return run_words(script, *(f"--{name}={value}" for name, value in flags.items() if value is not None))


def run_words(script: str, *words: str) -> Ran:
    stdout, stderr = io.StringIO(), io.StringIO()
    with (
        mock.patch.object(sys, "argv", [script, *words]),
        # Nothing is killed here, and waiting for a busy disk would take longer than the runs.
        mock.patch("os.fsync"),
        contextlib.redirect_stdout(stdout),
        contextlib.redirect_stderr(stderr),
        pytest.raises(SystemExit) as end,
    ):
        run_program(main_of(script))
    return Ran(int(end.value.code or 0), stdout.getvalue(), stderr.getvalue())


def ran(script: str, out: Path | str, **settings: Any) -> Ran:
    """As :func:`run`, of what must end well."""
    done = run(script, out, **settings)
    assert done.code == 0, done.stderr
    return done


@cache
def main_of(script: str) -> Callable[[], None]:
    main: Callable[[], None] = runpy.run_path(str(ROOT / "recipes" / script))["main"]
    return main


def make_pictures(folder: Path) -> dict[str, Path]:
    """12 labeled pictures in class folders, 24 without labels in one folder, 9 held out; gives their flags."""
    for part, count, seed in (("few", 12, 1), ("many", 24, 2), ("held_out", 9, 3)):
        for number, (picture, label) in enumerate(zip(*images(count, seed), strict=True)):
            inner = folder / part / ("" if part == "many" else KINDS[label])
            inner.mkdir(parents=True, exist_ok=True)
            save(picture, inner / f"{number:02}.png")
    return {f"{flag}_file": folder / part for flag, part in PARTS.items()}


PARTS = {"train": "few", "unlabeled": "many", "test": "held_out"}


def save(picture: Image.Image, path: Path) -> Path:
    picture.save(path)
    return path

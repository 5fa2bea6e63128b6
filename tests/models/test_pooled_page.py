"""The page on classifiers that pool an encoder's states: its examples run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest


PAGE = (Path(__file__).parents[2] / "docs" / "guides" / "pooled_classifier.md").read_text()


def test_the_examples_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    for block in blocks:
        exec(compile(block, "pooled_classifier.md", "exec"), {})
    expected = re.findall(r"print\(.*\)  # (.*)$", "".join(blocks), re.MULTILINE)
    assert capsys.readouterr().out.splitlines() == expected

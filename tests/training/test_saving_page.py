"""The page on saving: its tables are the rules, and its example runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from textssl import UDAConfig
from textssl.config.saved_settings import write_settings
from textssl.training.resume_rules import FREE, SAID


PAGE = (Path(__file__).parents[2] / "docs" / "guides" / "saving.md").read_text()


def test_the_tables_are_the_rules() -> None:
    rows = dict(re.findall(r"^\| `([a-z_0-9]+)(?:\.\.\.)?` \| (.*) \|$", PAGE, re.MULTILINE))
    others = {"evaluation_data", "versions"}
    assert {name: reason for name, reason in rows.items() if name not in others} == {**FREE, **SAID}
    free, said = PAGE.split("These may differ, and a warning says so:")
    assert all(f"| `{name}" in free for name in FREE)
    assert all(f"| `{name}`" in said for name in SAID)


def test_the_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    folder = Path("outputs/uda/checkpoint-500")
    folder.mkdir(parents=True)
    write_settings(UDAConfig("out", use_cpu=True, report_to=[], threshold=0.7, hub_token="hf_aPersons0123"), folder)
    (block,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    exec(compile(block, "saving.md", "exec"), {})
    expected = re.findall(r"print\(.*\)  # (.*)$", block, re.MULTILINE)
    assert capsys.readouterr().out.splitlines() == expected

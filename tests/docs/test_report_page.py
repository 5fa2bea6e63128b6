"""The commands and the Python of the page about reports run."""

from __future__ import annotations

import re
import shlex
import webbrowser
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.command_line import Ended
from tests.report.run_reports import text_report


PAGE = (Path(__file__).parents[2] / "docs" / "guides" / "report.md").read_text(encoding="utf-8")


@pytest.fixture(autouse=True)
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(webbrowser, "open", lambda address: True)
    text_report().write("outputs/news")
    return tmp_path / "outputs" / "news"


def test_its_commands_write_pages(command_line: Callable[..., Ended], run: Path) -> None:
    lines = [line for block in re.findall(r"```bash\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()]
    assert len(lines) == 3
    for line in lines:
        ended = command_line(*shlex.split(line, comments=True)[1:])
        assert ended.code == 0
        assert Path(ended.out.strip()).stat().st_size > 10_000


def test_its_python_runs(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (block,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    exec(block, {})
    assert capsys.readouterr().out.splitlines()[1] == "uda 0.878 0.858 0.897"
    assert (run / "report.html").is_file()


def test_its_sections_are_those_of_a_page() -> None:
    from textssl.report.html import render_page

    html = render_page(text_report())
    rows = re.findall(r"^\| ([^|]+) \| ", PAGE, re.MULTILINE)[1:]
    for name in (name for row in rows for name in row.split(", ")):
        assert f">{name.capitalize()}</h2>" in html, name

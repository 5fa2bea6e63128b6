"""``textssl report``: the page of the folder of a run."""

from __future__ import annotations

import webbrowser
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.command_line import Ended
from tests.report.run_reports import text_report


CommandLine = Callable[..., Ended]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "a run"
    text_report().write(folder)
    (folder / "label_next.csv").write_text("text\n")
    return folder


def test_the_page_is_written_into_the_folder_and_its_path_printed(command_line: CommandLine, run: Path) -> None:
    ended = command_line("report", run)
    assert ended == Ended(0, f"{run / 'report.html'}\n", "")
    assert "uda on news_labeled.csv" in (run / "report.html").read_text()
    before = (run / "report.html").read_bytes()
    # Once more, and by the file that it is made of.
    assert command_line("report", run / "report.json").code == 0
    assert (run / "report.html").read_bytes() == before


def test_the_page_may_go_elsewhere(command_line: CommandLine, run: Path, tmp_path: Path) -> None:
    page = tmp_path / "pages" / "news.html"
    assert command_line("report", run, "-o", page).out == f"{page}\n"
    assert 'href="./../a%20run/label_next.csv"' in page.read_text()
    assert not (run / "report.html").exists()


def test_the_page_is_opened_on_request(command_line: CommandLine, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", lambda address: opened.append(address) or len(opened) == 1)
    assert command_line("report", run, "--open").err == ""
    assert opened == [(run / "report.html").as_uri()]
    assert command_line("report", run, "--open").err == "No browser was found here.\n"


def test_what_is_no_run_is_one_line(command_line: CommandLine, run: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (run / "uda").mkdir()
    for words, message in {
        (tmp_path / "nothing",): "nothing' does not exist; expected the folder of a run",
        (tmp_path / "empty",): "empty' holds no report.json",
        (run / "uda",): f"{str(run)!r} holds one",
        (run, "-o", tmp_path): "expected a file, such as",
        (run, "-o", run / "report.json" / "x.html"): "x.html' cannot be written",
    }.items():
        assert message in command_line("report", *words).error
    (run / "report.json").write_text('{"version": 99}')
    assert "is of version 99; this textssl reads 1" in command_line("report", run).error

"""The command itself: what it prints about commands, flags and mistakes."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.command_line import Ended
from textssl import __version__
from textssl.cli import console
from textssl.cli.console import print_json, table
from textssl.cli.main import COMMANDS, main
from textssl.cli.missing_files import FILE_SUFFIXES
from textssl.data.table_files import TABLE_SUFFIXES


CommandLine = Callable[..., Ended]


def test_help_lists_all_commands(command_line: CommandLine) -> None:
    ended = command_line("--help")
    assert ended.code == 0
    for name in COMMANDS:
        assert f" {name} " in ended.out


def test_no_command_shows_the_help(command_line: CommandLine) -> None:
    assert command_line().out.strip() == command_line("--help").out.strip()


def test_version(command_line: CommandLine) -> None:
    assert command_line("--version") == Ended(0, f"textssl {__version__}\n", "")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["fitt"], "No such command 'fitt'. Did you mean 'fit'?"),
        (["xyzzy"], "No such command 'xyzzy'."),
        (["fit", "few.csv", "--levle", "fast"], "No such option: --levle; did you mean --level?"),
        (["fit"], "Missing argument 'labeled'."),
        (["fit", "few.csv", "--output"], "Option '--output' requires an argument."),
    ],
)
def test_a_mistake_is_one_line(command_line: CommandLine, words: list[str], message: str) -> None:
    assert command_line(*words).error == message


def test_help_loads_no_library_that_takes_long() -> None:
    code = (
        "import sys\nfrom textssl.cli.main import main\ntry:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "print('LOADED', sorted({'torch', 'transformers', 'datasets', 'pandas', 'sklearn'} & set(sys.modules)))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "LOADED []" in ended.stdout


def test_a_file_that_is_not_there_is_told_before_anything_is_loaded(
    command_line: CommandLine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert {*TABLE_SUFFIXES, ".gz"} == set(FILE_SUFFIXES)
    monkeypatch.chdir(tmp_path)
    Path("few.csv").write_text("text,label\n")
    # Whatever a command would import from here is not found.
    for name in ("augment", "check", "compare", "fit", "inference", "train"):
        monkeypatch.setitem(sys.modules, f"textssl.cli.{name}", None)
    told = "no such file or folder:"
    assert command_line("fit", "no.csv").error == f"labeled: {told} 'no.csv'"
    assert command_line("fit", "few.csv", "no.jsonl.gz").error == f"unlabeled: {told} 'no.jsonl.gz'"
    assert command_line("check", "few.csv", "--test", "no.tsv").error == f"test: {told} 'no.tsv'"
    assert command_line("augment", "no.txt").error == f"file: {told} 'no.txt'"
    assert command_line("predict", "model", "no.parquet").error == f"file: {told} 'no.parquet'"
    assert command_line("evaluate", "model", "no.CSV").error == f"file: {told} 'no.CSV'"
    assert command_line("compare", "no.csv", "--methods", "uda").error == f"train_file: {told} 'no.csv'"
    assert command_line("train", "few.csv", "no.csv", "--method", "uda").error == f"unlabeled_file: {told} 'no.csv'"


def test_json_has_no_numbers_that_are_none(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"a": float("nan"), 1: [float("inf"), 2.5, True, None]})
    assert capsys.readouterr().out == '{\n  "a": null,\n  "1": [\n    null,\n    2.5,\n    true,\n    null\n  ]\n}\n'


def test_numbers_stand_on_the_right() -> None:
    assert table(["name", "%"], [["uda", "9.5"], ["fixmatch", None], ["vat", "81.2"]]) == "\n".join(
        ["name         %", "--------  ----", "uda        9.5", "fixmatch", "vat       81.2"]
    )


@pytest.mark.parametrize(
    ("words", "program", "told"),
    [
        (["fit", "imdb"], "textssl.cli.fit.program.run_fit", "the same command goes on"),
        (
            ["train", "--method", "uda"],
            "textssl.cli.train.program.train_program",
            "--resume_from_checkpoint resumes from the last checkpoint",
        ),
    ],
)
def test_an_interrupt_says_how_to_go_on(
    command_line: CommandLine, monkeypatch: pytest.MonkeyPatch, words: list[str], program: str, told: str
) -> None:
    monkeypatch.setattr(program, lambda *_: signal.raise_signal(signal.SIGINT))
    assert command_line(*words) == Ended(130, "", f"interrupted; {told}\n")


def test_a_stream_without_the_letters_shows_their_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    def command() -> None:
        console.result("gr\u00fcn \U0001f600")
        console.print_json({"label": "gr\u00fcn \U0001f600"})

    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii", write_through=True)
    monkeypatch.setattr(sys, "stdout", stream)
    monkeypatch.setattr("textssl.cli.commands.doctor.command", command)
    with pytest.raises(SystemExit) as end:
        main(["doctor"])
    assert end.value.code == 0
    first, _, document = stream.buffer.getvalue().decode().partition("\n")  # type: ignore[attr-defined]
    assert first == "gr\\xfcn \\U0001f600"
    assert json.loads(document) == {"label": "gr\u00fcn \U0001f600"}

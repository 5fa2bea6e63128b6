"""``textssl check``: what it prints, and how it ends."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.command_line import Ended
from textssl.cli.check.lines import shown
from textssl.fit.parts import read_parts


CommandLine = Callable[..., Ended]
GOOD = "".join(f"text number {i} of the class,{'ab'[i % 2]}\n" for i in range(12))


@pytest.fixture
def few(tmp_path: Path) -> Path:
    path = tmp_path / "few.csv"
    path.write_text("text,label\n" + GOOD)
    return path


def test_good_data_pass(command_line: CommandLine, few: Path) -> None:
    ended = command_line("check", few)
    assert ended.code == 0
    assert "    2 classes: a 6, b 6\n" in ended.out
    assert ended.out.endswith("textssl fit takes these data\ntextssl train takes these data\n")
    assert ended.err == f"next: textssl fit {few}\n"


def test_a_row_is_named_by_its_line_and_shown_on_one(command_line: CommandLine, few: Path) -> None:
    few.write_text(few.read_text() + '"two\n\x1b[31mlines of <b>this</b>",a\n,b\n')
    ended = command_line("check", few)
    assert ended.code == 1
    assert "line 14 (row 12): 'two\\n\\x1b[31mlines of <b>this</b>'  ['a']" in ended.out
    assert "labeled: 1 of 14 texts are blank\n    line 16 (row 13): ''  ['b']\n" in ended.out
    assert "textssl fit: left out; textssl train: refused\n" in ended.out
    assert (
        "textssl fit takes these data\ntextssl train refuses: train_file: 1 of 14 labeled texts are blank" in ended.out
    )
    assert "next:" not in ended.err


def test_json(command_line: CommandLine, few: Path) -> None:
    found = command_line("check", few, "--json").json
    assert found["refused"] == {"fit": None, "train": None}
    assert found["parts"]["labeled"]["classes"] == {"a": 6, "b": 6}
    assert found["findings"] == []


def test_columns_are_handed_on_to_what_is_asked(command_line: CommandLine, tmp_path: Path) -> None:
    path = tmp_path / "few.csv"
    path.write_text("review;sentiment\n" + GOOD.replace(",", ";"))
    ended = command_line("check", path)
    assert ended.code == 0
    assert f"note: {path}: read with a semicolon between columns\n" in ended.out
    assert f"note: {path}: 'review' is taken as the column of texts\n" in ended.out


@pytest.mark.parametrize(
    ("labeled", "unlabeled"),
    [
        (GOOD, "text\nsome other text\n"),
        ("foo,label\n" + GOOD, "text\nsome other text\n"),
        ("text,label\n" + GOOD, "some other text of a line\nyet another text of it\n"),
    ],
    ids=["no header", "another name", "no header of the unlabeled"],
)
def test_columns_are_found_in_each_file_as_training_finds_them(
    command_line: CommandLine, tmp_path: Path, labeled: str, unlabeled: str
) -> None:
    (tmp_path / "few.csv").write_text(labeled)
    (tmp_path / "many.csv").write_text(unlabeled)
    parts = read_parts(str(tmp_path / "few.csv"), str(tmp_path / "many.csv"))
    assert parts.labeled is not None
    assert len(parts.labeled) == 12
    ended = command_line("check", tmp_path / "few.csv", tmp_path / "many.csv")
    assert "textssl fit takes these data\ntextssl train takes these data\n" in ended.out
    assert ended.code == 0


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"text,label\n", "holds no rows"),
        (b"text,label\na b,x,z\n", "line 2: Expected 2 columns, got 3"),
        (b'text,label\na b,x\n"open,y\n', "in the row that begins in line 3: unexpected end of data"),
        (bytes(range(128, 256)) * 20, "has an encoding that cannot be detected reliably"),
    ],
)
def test_files_that_no_program_reads(command_line: CommandLine, tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "few.csv"
    path.write_bytes(content)
    ended = command_line("check", path)
    assert ended.code == 1
    first, second = ended.out.splitlines()
    assert first.startswith("textssl fit refuses: ")
    assert second.startswith("textssl train refuses: ")
    assert message in first
    assert message in second


def test_mistakes_are_no_findings(command_line: CommandLine, few: Path) -> None:
    assert command_line("check", few.parent / "nothing.csv").error.startswith("labeled: no such file or folder")
    assert "no column 'body'" in command_line("check", few, "--text-column", "body").error


def test_suspects_go_to_a_file(command_line: CommandLine, tmp_path: Path) -> None:
    """Sentences about two things, with one label planted wrong."""
    things = ["The cat and the dog play with a {} ball.", "The bank raised the {} interest rate again."]
    words = ["red", "blue", "new", "old", "small", "large", "first", "last", "nice", "plain", "green", "odd"]
    rows = [(things[i % 2].format(word), "ab"[i % 2]) for i, word in enumerate(words)]
    rows[4] = (rows[4][0], "b")
    path, out = tmp_path / "few.csv", tmp_path / "out" / "suspects.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("text", "label"), *rows])
    ended = command_line("check", path, "-o", out)
    assert ended.code == 0
    (suspect,) = csv.DictReader(out.read_text().splitlines())
    assert (suspect["row"], suspect["line"], suspect["label"], suspect["suggested"]) == ("4", "6", "b", "a")
    assert "labels: 1 may be wrong" in ended.out


def test_a_text_is_cut_between_letters(command_line: CommandLine, few: Path) -> None:
    assert shown("abcdef\x1bgh", 12) == "'abcdef\\x1bgh'"
    assert shown("abcdef\x1bghij", 12) == "'abcdef'..."
    assert "; 0 % are cut at 128\n" in command_line("check", few).out

from __future__ import annotations

import pytest

from data_scripts import build_bank
from textssl.retrieval import open_bank


def run(tmp_path, *arguments):
    return build_bank.main(["--output", str(tmp_path / "bank"), *map(str, arguments)])


def test_a_bank_of_files_that_grows(tmp_path, capsys):
    (tmp_path / "a.txt").write_text("A first sentence. And a second one.\nA FIRST sentence. No.\n")
    (tmp_path / "b.csv").write_text('id,text\n1,"A third one, of another file"\n')
    assert run(tmp_path, "--input", tmp_path / "a.txt") == 0
    out = capsys.readouterr().out
    assert "a.txt: 2 documents, 2 sentences; left out 1 duplicates and 1 short ones" in out
    assert run(tmp_path, "--input", tmp_path / "b.csv") == 2
    assert "'b.csv'; pass add to add it" in capsys.readouterr().err
    assert run(tmp_path, "--input", tmp_path / "b.csv", "--add") == 0
    assert "3 sentences in 2 shards" in capsys.readouterr().out
    bank = open_bank(tmp_path / "bank")
    assert bank.texts(range(3))[2] == "A third one, of another file"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "--input: give files, or --dataset"),
        (["--input", "no.txt"], "no such file: 'no.txt'"),
        (["--input", "a/x.txt", "b/x.txt"], "two files are called 'x.txt'"),
        (["--dataset", "nothing"], "no source 'nothing'"),
    ],
)
def test_bad_input_is_one_line(arguments, message, tmp_path, capsys):
    assert run(tmp_path, *arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("build_bank: error: ")
    assert message in error
    assert error.count("\n") == 1

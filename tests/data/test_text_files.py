"""Tables as spreadsheets and old systems write them: delimiters, encodings, archives, and which line is broken."""

from __future__ import annotations

import csv
import gzip
import io
import json
from pathlib import Path

import pytest

from textssl.data.tables import load_table
from textssl.errors import UserError


ROWS = [("Das war schön; wirklich", "gut"), ('naïve, "quoted" | café', "übel"), ("two\nlines\tand a tab", "gut")]


def table(delimiter: str = ",", header: tuple[str, ...] = ("text", "label")) -> str:
    file = io.StringIO(newline="")
    writer = csv.writer(file, delimiter=delimiter)
    writer.writerows([header, *ROWS])
    return file.getvalue()


def check(path: Path) -> None:
    dataset = load_table(path)
    names = dataset.features["label"].names
    assert [(row["text"], names[row["label"]]) for row in dataset] == ROWS


@pytest.mark.parametrize("suffix", [".csv", ".tsv"])
@pytest.mark.parametrize(
    ("delimiter", "spoken"), [(",", "comma"), (";", "semicolon"), ("\t", "tab"), ("|", "vertical bar")]
)
def test_delimiters_are_found_and_said(
    delimiter: str, spoken: str, suffix: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The csv module of Python wrote them; what the suffix says needs no word."""
    path = tmp_path / f"t{suffix}"
    path.write_text(table(delimiter), encoding="utf-8")
    check(path)
    expected = delimiter == {".csv": ",", ".tsv": "\t"}[suffix]
    assert caplog.messages == ([] if expected else [f"{path}: read with a {spoken} between columns"])
    check(path)
    assert len(caplog.messages) == (not expected)


ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"]


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_encodings_and_archives(encoding: str, packed: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    lines = "".join(json.dumps({"text": t, "label": y}, ensure_ascii=False) + "\n" for t, y in ROWS)
    for name, content in (("t.csv", table()), ("t.jsonl", lines), ("t.json", f"[{','.join(lines.splitlines())}]")):
        path = tmp_path / (f"{name}.gz" if packed else name)
        encoded = content.encode(encoding)
        path.write_bytes(gzip.compress(encoded) if packed else encoded)
        check(path)
    spoken = {"cp1252": "Windows-1252", "utf-16": "UTF-16-LE", "utf-32": "UTF-32-LE"}.get(encoding, encoding.upper())
    assert len(caplog.messages) == (0 if encoding.startswith("utf-8") else 3)
    assert all(f"read in {spoken}" in text for text in caplog.messages)
    assert encoding != "cp1252" or "with words such as 'schön'; if these look wrong" in caplog.messages[0]


def test_a_single_column_keeps_all_its_marks(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("text\nno; really | not\n")
    assert load_table(path, label_column=None)["text"][:] == ["no; really | not"]
    path.write_text("body;stars\na;1\n")
    with pytest.raises(UserError, match=r"no column 'text' .* \['body', 'stars'\]"):
        load_table(path)


@pytest.mark.parametrize("encoding", ["cp1251", "koi8_r", "shift_jis"])
def test_an_encoding_that_cannot_be_told_is_not_guessed(encoding: str, tmp_path: Path) -> None:
    words = "これは良い映画です" if encoding == "shift_jis" else "Это хороший фильм"
    path = tmp_path / "t.csv"
    path.write_bytes(f"text,label\n{words},a\n{words},b\n".encode(encoding))
    with pytest.raises(UserError, match=r"encoding that cannot be detected reliably.*iconv -f ENCODING -t UTF-8"):
        load_table(path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.csv", "text,label\na,b\n\nq,w,e\n", "line 4: Expected 2 columns, got 3"),
        ("t.csv", 'text,label\n"two\nlines",b\nq\n', "line 4: Expected 2 columns, got 1"),
        ("t.csv", 'text,label\na,b\n"q,w\nz,z\n', "in the row that begins in line 3: unexpected end of data"),
        ("t.csv", "text;label\na;b\nq;w;e\n", "line 3: Expected 2 columns, got 3"),
        ("t.jsonl", '{"text": "a"}\n\n{"text": \n', "line 3: Expecting value"),
        ("t.jsonl", '{"text": "a"}\n["b"]\n', "line 2 holds no object"),
        ("t.json", '[{"text": "a"},\n{"text": "b",}]', "line 2 column"),
        ("t.csv.gz", "no archive", "is no whole gzip archive"),
        ("t.parquet.gz", "x", r"ends in '.gz'; allowed are .csv"),
    ],
)
def test_the_line_that_is_broken_is_named(name: str, content: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(UserError, match=message) as caught:
        load_table(path, label_column=None)
    assert "\n" not in str(caught.value)


def test_half_an_archive(tmp_path: Path) -> None:
    path = tmp_path / "t.csv.gz"
    path.write_bytes(gzip.compress(("text\n" + "a few words\n" * 999).encode())[:-20])
    with pytest.raises(UserError, match="is no whole gzip archive"):
        load_table(path, label_column=None)

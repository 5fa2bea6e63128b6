from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pandas as pd
import pytest
from datasets import Dataset, DatasetDict, load_from_disk

from data_scripts import back_translate as script
from tests.fork_server import run_python


REVIEWS = ["a first review", "NA", 'two\nlines, quoted "here"', "a first review", "última reseña 😀"]
# A word apart: the fake program below writes every word twice, in either direction.
EXPECTED = [
    "\n".join(" ".join(part for part in line.split() for _ in range(4)) for line in text.split("\n"))
    for text in REVIEWS
]

FAKE_PROGRAM = r"""#!{python} -ISs
import re, sys
if sys.argv[1] == "-l":
    print("  eng-spa\n  spa-eng")
    sys.exit()
with open("{log}", "a") as log:
    log.write(sys.argv[2] + "\n")
text = sys.stdin.buffer.read().decode()
sys.stdout.buffer.write(re.sub(r"([^\s]+)", r"\1 \1", text).encode())
"""


@pytest.fixture(autouse=True)
def calls(tmp_path: Path, monkeypatch) -> Path:
    """A program that doubles every word; the file that names its calls."""
    program, log = tmp_path / "bin" / "apertium", tmp_path / "calls"
    program.parent.mkdir()
    program.write_text(FAKE_PROGRAM.replace("{python}", sys.executable).replace("{log}", str(log)))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    return log


def test_guard_and_store(tmp_path: Path, capsys) -> None:
    data = tmp_path / "reviews.jsonl"
    data.write_text("".join(json.dumps({"text": text, "n": 1.5}) + "\n" for text in REVIEWS))
    assert script.main(["--input", str(data), "--output", str(tmp_path / "out")]) == 0
    out = tmp_path / "out" / "reviews.jsonl"
    told = capsys.readouterr()
    kept = "kept as they are: 5 of 5 texts (100%): 4 translation too long, 1 text too short"
    assert told.out == f"wrote {out}\n{kept}\n"
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    # Four times the length is more than the guard allows.
    reasons = [row["back_translation_kept_reason"] for row in rows]
    assert reasons == ["translation too long", "text too short", *["translation too long"] * 3]
    assert [row["back_translation"] for row in rows] == REVIEWS
    assert [(row["text"], row["n"]) for row in rows] == [(text, 1.5) for text in REVIEWS]
    (shard,) = (tmp_path / "out" / "translations").glob("*.jsonl")
    stored = {json.loads(line)["translation"] for line in shard.read_text().splitlines()}
    assert stored == set(EXPECTED)
    # Nothing else was written.
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"reviews.jsonl", "translations"}


def write_words_once() -> None:
    """Let the program lengthen words by a letter only, which the guard accepts."""
    program = Path(os.environ["PATH"].split(os.pathsep)[0]) / "apertium"
    program.write_text(program.read_text().replace(r"\1 \1", r"x\1"))


def translated(text: str) -> str:
    """Two letters for each word more, unless that is under 10 characters."""
    result = "\n".join(" ".join("xx" + word for word in line.split()) for line in text.split("\n"))
    return text if len(text) < 10 or len(result) > 1.5 * len(text) else result


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet", "folder"])
def test_every_format_comes_back_in_its_own(tmp_path: Path, kind: str) -> None:
    write_words_once()
    frame = pd.DataFrame({"review": REVIEWS, "label": range(5)})
    path = tmp_path / ("reviews" if kind == "folder" else f"reviews.{kind}")
    if kind == "csv":
        frame.to_csv(path, index=False)
    elif kind == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in frame.to_dict("records")))
    elif kind == "parquet":
        Dataset.from_pandas(frame).to_parquet(path)
    else:
        Dataset.from_pandas(frame).save_to_disk(path)
    arguments = ["--input", str(path), "--output", str(tmp_path / "out"), "--name", "bt"]
    assert script.main([*arguments, "--text-column", "review"]) == 0
    if kind == "folder":
        rows = load_from_disk(tmp_path / "out" / "dataset").to_dict()
    else:
        written = tmp_path / "out" / path.name
        if kind == "csv":
            rows = pd.read_csv(written, keep_default_na=False).to_dict("list")
        elif kind == "parquet":
            rows = pd.read_parquet(written).to_dict("list")
        else:
            rows = pd.DataFrame(map(json.loads, written.read_text().splitlines())).to_dict("list")
    expected = [translated(text) for text in REVIEWS]
    assert expected[0] == "xxa xxfirst xxreview" != REVIEWS[0]
    reasons = ["", "text too short", "", "", ""]
    assert rows == {"review": REVIEWS, "label": [0, 1, 2, 3, 4], "bt": expected, "bt_kept_reason": reasons}


def forget_negations() -> None:
    """Let the program drop the word "not"."""
    program = Path(os.environ["PATH"].split(os.pathsep)[0]) / "apertium"
    program.write_text(program.read_text().replace(r"([^\s]+)", r"\bnot ()").replace(r"\1 \1", r"\1"))


def test_negations_are_counted_and_kept_on_request(tmp_path: Path, capsys) -> None:
    forget_negations()
    texts = ["it was not a good film", "it was a good film", "you never know, do not go", "so not so bad as that"]
    data = tmp_path / "reviews.csv"
    pd.DataFrame({"text": texts}).to_csv(data, index=False)

    def run(*options: str) -> tuple[pd.DataFrame, str]:
        output = tmp_path / f"out{len(list(tmp_path.iterdir()))}"
        assert script.main(["--input", str(data), "--output", str(output), *options]) == 0
        return pd.read_csv(output / "reviews.csv", keep_default_na=False), capsys.readouterr().out

    rows, told = run()
    assert rows["back_translation"].tolist() == [text.replace("not ", "") for text in texts]
    assert "negation lost in translation: 2 of 3 texts that negate (67%)" in told
    rows, told = run("--keep_negation")
    assert rows["back_translation"].tolist() == [texts[0], texts[1], "you never know, do go", texts[3]]
    assert rows["back_translation_kept_reason"].tolist() == ["negation lost", "unchanged", "", "negation lost"]
    assert "kept as they are: 3 of 4 texts (75%): 2 negation lost, 1 unchanged" in told
    rows, told = run("--keep_negation", "--negations", "never, bad")
    assert rows["back_translation_kept_reason"].tolist() == ["", "unchanged", "", ""]
    assert "negation lost in translation: 0 of 2 texts" in told


def test_resume_translates_only_what_is_new(tmp_path: Path, calls: Path, capsys) -> None:
    data, out = tmp_path / "reviews.csv", tmp_path / "out"
    arguments = ["--input", str(data), "--output", str(out)]
    pd.DataFrame({"text": REVIEWS[:3]}).to_csv(data, index=False)
    assert script.main(arguments) == 0
    before = calls.read_text()
    assert script.main(arguments) == 2
    assert "give --resume to go on" in capsys.readouterr().err
    assert script.main([*arguments, "--resume"]) == 0
    assert calls.read_text() == before
    pd.DataFrame({"text": REVIEWS}).to_csv(data, index=False)
    assert script.main([*arguments, "--resume"]) == 0
    assert calls.read_text() == before + "eng-spa\nspa-eng\n"
    assert len(pd.read_csv(out / "reviews.csv")) == 5


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        ("text\na\n", ["--text-column", "review"], "column: got 'review'; the data have ['text']"),
        ("text,n\na,1\n,2\n", [], r"column 'text': got None in row 1; expected texts"),
        ("text\n1\n2\n", [], r"column 'text': got 1 in row 0; expected texts"),
        ("text\na\n", ["--copies", "2"], "always translates a text the same way"),
        ("text\na\n", ["--engine", "google"], "--engine: got 'google'; allowed are apertium, seq2seq"),
        ("text\na\n", ["--engine", "seq2seq"], "--forward: the seq2seq engine needs a checkpoint"),
        ("text\na\n", ["--engine", "seq2seq", "--forward", "x"], "backward: got None"),
        ("text\na\n", ["--pivot", "cat"], "does not translate eng-cat or cat-eng"),
        ("text\na\n", ["--name", "text"], "already have ['text']"),
        ("text,bt_kept_reason\na,b\n", ["--name", "bt"], "already have ['bt_kept_reason']"),
        ("text\na\n", ["--negations", " "], "negations: got [' ']; expected a list of words"),
        (
            "text\na\n",
            ["--source", "spa", "--pivot", "eng", "--keep_negation"],
            "--keep_negation: the texts are in 'spa'; say by --negations",
        ),
        ("text\na\n", ["--batch-size", "0"], r"batch_size: got 0; expected at least 1"),
        ("", [], "cannot read"),
    ],
)
def test_errors_are_one_line_and_status_2(tmp_path: Path, capsys, content, options, message) -> None:
    data = tmp_path / "reviews.csv"
    data.write_text(content)
    assert script.main(["--input", str(data), "--output", str(tmp_path / "out"), *options]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_bad_paths(tmp_path: Path, capsys) -> None:
    def message(source: Path, output: Path) -> str:
        assert script.main(["--input", str(source), "--output", str(output)]) == 2
        return capsys.readouterr().err

    data = tmp_path / "reviews.csv"
    assert "does not exist" in message(data, tmp_path / "out")
    data.write_text("text\na\n")
    assert "where the input lies" in message(data, tmp_path)
    assert "which is a file" in message(data, data)
    other = tmp_path / "reviews.xlsx"
    other.write_text("")
    assert "allowed are .csv, .jsonl, .parquet" in message(other, tmp_path / "out")
    assert "no data set of save_to_disk" in message(tmp_path / "bin", tmp_path / "out")
    DatasetDict(train=Dataset.from_dict({"text": ["a"]})).save_to_disk(tmp_path / "splits")
    assert str(tmp_path / "splits" / "train") in message(tmp_path / "splits", tmp_path / "out")
    lines = tmp_path / "reviews.jsonl"
    lines.write_text('{"text": "a"}\n{"text"\n')
    assert "line 2 of" in message(lines, tmp_path / "out")
    damaged = tmp_path / "reviews.parquet"
    damaged.write_bytes(b"PAR1 not quite")
    assert "cannot read" in message(damaged, tmp_path / "out")


def test_program_is_missing(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.setenv("PATH", "")
    data = tmp_path / "reviews.csv"
    data.write_text("text\na\n")
    assert script.main(["--input", str(data), "--output", str(tmp_path / "out")]) == 2
    assert "apt-get install apertium apertium-eng-spa" in capsys.readouterr().err


@pytest.mark.slow
def test_as_a_program(tmp_path: Path) -> None:
    data = tmp_path / "reviews.csv"
    data.write_text("text\na review of a film\n")
    root = Path(script.__file__).parents[1]
    command = [script.__file__, "--input", data, "--output", tmp_path / "out"]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    done = run_python(command, env=environment)
    assert done.returncode == 0, done.stderr
    kept = "kept as they are: 1 of 1 texts (100%): 1 translation too long"
    assert done.stdout == f"wrote {tmp_path / 'out' / 'reviews.csv'}\n{kept}\n"
    # Above a fifth it is a warning too.
    assert kept in done.stderr
    assert str(tmp_path / "out" / "translations") in done.stderr

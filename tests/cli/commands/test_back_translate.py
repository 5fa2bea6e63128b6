"""``textssl back-translate``: its rows are the input's, in their order, with a column of translations."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from datasets import Dataset, DatasetDict

from tests.augment.text.test_seq2seq import folder as checkpoints  # noqa: F401
from tests.command_line import Ended
from textssl.augment.text.back_translation import BackTranslation


CommandLine = Callable[..., Ended]

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


def test_guard_and_store(tmp_path: Path, command_line: CommandLine) -> None:
    data, out, parts = tmp_path / "reviews.jsonl", tmp_path / "out.jsonl", tmp_path / "kept"
    data.write_text("".join(json.dumps({"text": text, "n": 1.5}) + "\n" for text in REVIEWS))
    ended = command_line("back-translate", data, "-o", out, "--parts", parts)
    kept = "kept as they are: 5 of 5 texts (100%): 4 translation too long, 1 text too short"
    assert ended.out.splitlines()[0] == f"{out}: 5 rows; columns: back_translation"
    assert ended.out.splitlines()[1].startswith("engine: apertium eng-spa")
    assert ended.out.splitlines()[2] == kept
    assert ended.err.splitlines()[-1] == (
        f"next: textssl train LABELED.csv {out} --method uda --strong back_translation"
    )
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    # Four times the length is more than the guard allows.
    reasons = [row["back_translation_kept_reason"] for row in rows]
    assert reasons == ["translation too long", "text too short", *["translation too long"] * 3]
    assert [row["back_translation"] for row in rows] == REVIEWS
    assert [(row["text"], row["n"]) for row in rows] == [(text, 1.5) for text in REVIEWS]
    (shard,) = (parts / "translations").glob("*.jsonl")
    stored = {json.loads(line)["translation"] for line in shard.read_text().splitlines()}
    assert stored == set(EXPECTED)


def write_words_once() -> None:
    """Let the program lengthen words by a letter only, which the guard accepts."""
    program = Path(os.environ["PATH"].split(os.pathsep)[0]) / "apertium"
    program.write_text(program.read_text().replace(r"\1 \1", r"x\1"))


def translated(text: str) -> str:
    """Two letters for each word more, unless that is under 10 characters."""
    result = "\n".join(" ".join("xx" + word for word in line.split()) for line in text.split("\n"))
    return text if len(text) < 10 or len(result) > 1.5 * len(text) else result


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet", "folder"])
@pytest.mark.parametrize("written", ["csv", "tsv", "jsonl", "parquet"])
def test_every_format_is_read_and_written(tmp_path: Path, kind: str, written: str, command_line: CommandLine) -> None:
    write_words_once()
    frame = pd.DataFrame({"review": REVIEWS, "label": [f"{i:02d}" for i in range(5)]})
    path = tmp_path / ("reviews" if kind == "folder" else f"reviews.{kind}")
    if kind == "csv":
        frame.to_csv(path, index=False)
    elif kind == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in frame.to_dict("records")))
    elif kind == "parquet":
        Dataset.from_pandas(frame).to_parquet(path)
    else:
        Dataset.from_pandas(frame).save_to_disk(path)
    out = tmp_path / f"out.{written}"
    ended = command_line("back-translate", path, "-o", out, "--name", "bt", "--text-column", "review")
    assert ended.code == 0, ended.err
    if written == "parquet":
        rows = pd.read_parquet(out).to_dict("list")
    elif written == "jsonl":
        rows = pd.DataFrame(map(json.loads, out.read_text().splitlines())).to_dict("list")
    else:
        separator = "\t" if written == "tsv" else ","
        rows = pd.read_csv(out, sep=separator, keep_default_na=False, dtype=str).to_dict("list")
    expected = [translated(text) for text in REVIEWS]
    assert expected[0] == "xxa xxfirst xxreview" != REVIEWS[0]
    reasons = ["", "text too short", "", "", ""]
    labels = ["00", "01", "02", "03", "04"]
    assert rows == {"review": REVIEWS, "label": labels, "bt": expected, "bt_kept_reason": reasons}
    assert not Path(f"{out}.parts").exists()


def test_rows_without_a_text_keep_their_place(tmp_path: Path, command_line: CommandLine) -> None:
    write_words_once()
    given = Dataset.from_dict({"text": ["a first review", None, "  ", "a second review"]})
    given.to_parquet(tmp_path / "given.parquet")
    ended = command_line("back-translate", tmp_path / "given.parquet", "-o", tmp_path / "out.parquet", "--json")
    assert (ended.json["rows"], ended.json["without_text"], ended.json["texts"]) == (4, 2, 2)
    rows = pq.read_table(tmp_path / "out.parquet").to_pydict()
    assert rows["back_translation"] == ["xxa xxfirst xxreview", None, "  ", "xxa xxsecond xxreview"]
    assert rows["back_translation_kept_reason"] == ["", "no text", "no text", ""]


def forget_negations() -> None:
    """Let the program drop the word "not"."""
    program = Path(os.environ["PATH"].split(os.pathsep)[0]) / "apertium"
    program.write_text(program.read_text().replace(r"([^\s]+)", r"\bnot ()").replace(r"\1 \1", r"\1"))


def test_negations_are_counted_and_kept_on_request(tmp_path: Path, command_line: CommandLine) -> None:
    forget_negations()
    texts = ["it was not a good film", "it was a good film", "you never know, do not go", "so not so bad as that"]
    data, out = tmp_path / "reviews.csv", tmp_path / "out.csv"
    pd.DataFrame({"text": texts}).to_csv(data, index=False)

    def run(*options: str) -> tuple[pd.DataFrame, str]:
        ended = command_line("back-translate", data, "-o", out, "--overwrite", *options)
        return pd.read_csv(out, keep_default_na=False), ended.out

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


def test_kept_translations_are_not_made_again(tmp_path: Path, calls: Path, command_line: CommandLine) -> None:
    data, out = tmp_path / "reviews.csv", tmp_path / "out.csv"
    words = ["back-translate", data, "-o", out, "--parts", tmp_path / "kept", "--overwrite"]
    pd.DataFrame({"text": REVIEWS[:3]}).to_csv(data, index=False)
    assert command_line(*words).code == 0
    before = calls.read_text()
    ended = command_line(*words)
    assert f"going on with {tmp_path / 'kept'}" in ended.err
    assert calls.read_text() == before
    pd.DataFrame({"text": REVIEWS}).to_csv(data, index=False)
    assert command_line(*words).code == 0
    assert calls.read_text() == before + "eng-spa\nspa-eng\n"
    assert len(pd.read_csv(out)) == 5


def test_a_killed_job_goes_on_and_gives_the_same_file(
    tmp_path: Path, command_line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_words_once()
    data = tmp_path / "reviews.csv"
    pd.DataFrame({"text": [f"review number {i} of a film" for i in range(6)]}).to_csv(data, index=False)
    words = ["back-translate", data, "--batch-size", "2", "-o"]
    assert command_line(*words, tmp_path / "whole.csv").code == 0
    translate, calls = BackTranslation._translate, []

    def killed(view: BackTranslation, texts: list[str], rng: object) -> list[str]:
        calls.append(len(texts))
        if len(calls) == 2:
            raise KeyboardInterrupt
        return translate(view, texts, rng)  # type: ignore[arg-type]

    monkeypatch.setattr(BackTranslation, "_translate", killed)
    assert command_line(*words, tmp_path / "cut.csv").code == 130
    assert command_line(*words, tmp_path / "cut.csv").code == 0
    # Two of six were done before.
    assert calls == [2, 2, 2, 2]
    assert (tmp_path / "cut.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()


def test_models_translate_offline(checkpoints: Path, tmp_path: Path, command_line: CommandLine) -> None:  # noqa: F811
    data, out = tmp_path / "reviews.csv", tmp_path / "out.csv"
    pd.DataFrame({"text": ["w1 w2 w3 w4 w5 .", "w6 w7 w8 w9 w3 ."]}).to_csv(data, index=False)
    models = ["--engine", "seq2seq", "--forward", checkpoints / "there", "--backward", checkpoints / "back"]
    ended = command_line("back-translate", data, "-o", out, *models, "--copies", "2")
    assert ended.code == 0, ended.err
    assert "engine: seq2seq " in ended.out
    assert [*pd.read_csv(out).columns] == [
        "text", "back_translation_0", "back_translation_0_kept_reason", "back_translation_1",
        "back_translation_1_kept_reason",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        ("text\na\n", ["--text-column", "review"], "no column 'review' (text_column); its columns are ['text']"),
        ('text\n""\n', [], "column 'text' has no text in any of its 1 rows"),
        ("text\na\n", ["--copies", "2"], "always translates a text the same way"),
        ("text\na\n", ["--engine", "google"], "engine: got 'google'; allowed are apertium, seq2seq"),
        ("text\na\n", ["--run-on", "spark"], "run_on: got 'spark'; allowed are local, ray"),
        ("text\na\n", ["--engine", "seq2seq"], "forward: got None; engine 'seq2seq' needs a checkpoint"),
        ("text\na\n", ["--engine", "seq2seq", "--forward", "x"], "backward: got None"),
        ("text\na\n", ["--forward", "x"], "forward: got 'x', which engine 'apertium' does not read"),
        ("text\na\n", ["--pivot", "cat"], "does not translate eng-cat or cat-eng"),
        ("text\na\n", ["--name", "text"], "the data have a column 'text' already"),
        ("text,bt_kept_reason\na,b\n", ["--name", "bt"], "the data have a column 'bt_kept_reason' already"),
        ("text\na\n", ["--negations", " "], "negations: got [' ']; expected a list of words"),
        (
            "text\na\n",
            ["--source", "spa", "--pivot", "eng", "--keep_negation"],
            "keep_negation: the texts are in 'spa'; say by negations",
        ),
        ("text\na\n", ["--batch-size", "0"], r"batch_size: got 0; expected at least 1"),
        ("text\na\n", ["-o", "reviews.csv"], "output: got 'reviews.csv', which is the input"),
        ("text\na\n", ["-o", "out.xlsx"], "output: got 'out.xlsx'; expected a file that ends in"),
        ("", [], "is empty"),
    ],
)
def test_a_mistake_is_one_line(
    tmp_path: Path, command_line: CommandLine, monkeypatch: pytest.MonkeyPatch, content, options, message
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("reviews.csv").write_text(content)
    assert message in command_line("back-translate", "reviews.csv", "-o", "out.csv", *options).error
    assert not {path.name for path in tmp_path.iterdir()} & {"out.csv", "out.csv.parts"}


def test_files_that_cannot_work(tmp_path: Path, command_line: CommandLine) -> None:
    def message(source: Path) -> str:
        return command_line("back-translate", source, "-o", tmp_path / "out.csv").error

    assert "no such file" in message(tmp_path / "reviews.csv")
    other = tmp_path / "reviews.xlsx"
    other.write_text("x")
    assert "allowed are .csv, .tsv" in message(other)
    assert "no images in" in message(tmp_path / "bin")
    DatasetDict(train=Dataset.from_dict({"text": ["a"]})).save_to_disk(tmp_path / "splits")
    assert str(tmp_path / "splits" / "train") in message(tmp_path / "splits")
    lines = tmp_path / "reviews.jsonl"
    lines.write_text('{"text": "a"}\n{"text"\n')
    assert "line 2" in message(lines)
    damaged = tmp_path / "reviews.parquet"
    damaged.write_bytes(b"PAR1 not quite")
    assert "cannot read" in message(damaged)


def test_program_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command_line: CommandLine) -> None:
    monkeypatch.setenv("PATH", "")
    (tmp_path / "reviews.csv").write_text("text\na\n")
    error = command_line("back-translate", tmp_path / "reviews.csv", "-o", tmp_path / "out.csv").error
    assert "apt-get install apertium apertium-eng-spa" in error
    assert "--engine seq2seq" in error

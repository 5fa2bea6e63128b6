"""Lines of files, suspects, tokens, images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from textssl.checks import check_data
from textssl.checks.lines import lines_of_rows
from textssl.checks.scripts import scripts_in
from textssl.checks.suspects import held_out_probs, suspect_rows
from textssl.checks.tokens import TokenCounts
from textssl.cli.check.refusals import refusals
from textssl.cli.data.loading import load_task
from textssl.cli.options import RecipeOptions
from textssl.config import SSLConfig
from textssl.fit.parts import Columns


def test_lines_of_rows(tmp_path: Path) -> None:
    """Counted by eye: a row of two lines, a blank line, no header, one object a line."""
    path = tmp_path / "a.csv"
    path.write_text('text,label\nfirst,a\n"second\nin two",b\n\nthird,a\n')
    found = lines_of_rows(path, 3, "text")
    assert found is not None
    assert found.tolist() == [2, 3, 6]
    assert lines_of_rows(path, 2, "text") is None
    path.write_text("a first sentence here,a\nanother,b\n")
    found = lines_of_rows(path, 2, "text")
    assert found is not None
    assert found.tolist() == [1, 2]
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "a"}\n\n{"text": "b"}\n')
    found = lines_of_rows(path, 2, "text")
    assert found is not None
    assert found.tolist() == [1, 3]


def test_scripts_of_letters() -> None:
    assert scripts_in("Abc 123, é!") == {"Latin": 4}
    assert scripts_in("мир and 世界 ひ") == {"Cyrillic": 3, "Latin": 3, "Han": 2, "Kana": 1}
    assert scripts_in("12 !?") == {}
    assert scripts_in("ሰላም") == {"other": 3}


def test_planted_wrong_labels_are_the_suspects() -> None:
    rng = np.random.default_rng(0)
    truth = np.arange(60) % 3
    features = np.eye(3)[truth] * 4 + rng.normal(size=(60, 3)) * 0.3
    labels = truth.copy()
    labels[[5, 17]] = (labels[[5, 17]] + 1) % 3
    probs = held_out_probs(features, labels, 3, seed=0)
    assert sorted(suspect_rows(probs, labels)) == [5, 17]
    assert not len(suspect_rows(held_out_probs(features, truth, 3, seed=0), truth))


def test_suspects_by_hand() -> None:
    """Confident learning: class 1 is 0.8 on average where it is the label; 0.9 is enough, 0.7 is not."""
    probs = np.array([[0.2, 0.8], [0.1, 0.9], [0.3, 0.7], [0.9, 0.1], [np.nan, np.nan]])
    labels = np.array([1, 0, 0, 0, 1])
    assert suspect_rows(probs, labels).tolist() == [1]


class Letters:
    """A tokenizer that makes each letter a token, between two special ones, and knows no digits."""

    unk_token_id = 1
    model_max_length = int(1e30)

    def __call__(self, texts: list[str], **options: bool) -> dict[str, list[list[int]]]:
        return {"input_ids": [[0, *[1 if letter.isdigit() else 2 for letter in text], 0] for text in texts]}


def test_counts_of_tokens(tmp_path: Path) -> None:
    path = tmp_path / "few.csv"
    path.write_text("text,label\nabcde,a\nabc12,b\nabcdefghij,a\n   ,b\n")
    report = check_data({"labeled": path}, tokenizer=Letters(), max_length=8)
    # Lengths 7, 7 and 12; 2 of 26 tokens are unknown.
    expected = TokenCounts(3, 3, 7, 11, 12, 1 / 3, 8, 2 / 26)
    assert report.tokens["labeled"] == expected
    found = {finding.kind: finding for finding in report.findings}
    assert found["truncated"].message == "33.3% of the texts have more than 8 tokens"
    assert [example.content for example in found["truncated"].examples] == ["abcdefghij"]
    assert found["unknown tokens"].message == "7.7% of the tokens are unknown to the tokenizer"
    assert [example.line for example in found["unknown tokens"].examples] == [3]


@pytest.mark.parametrize(
    ("long", "max_length", "advice"),
    [
        # With two special tokens texts have 7 or 22.
        (1, 8, "95 % are read whole: leave --max_length at 8"),
        (10, 8, "--max_length 20, the most that the encoder reads, reads more of each"),
        (10, 20, "the encoder reads 20 tokens at most"),
    ],
)
def test_advice_keeps_to_what_the_encoder_reads(tmp_path: Path, long: int, max_length: int, advice: str) -> None:
    tokenizer = Letters()
    tokenizer.model_max_length = 20
    path = tmp_path / "few.csv"
    rows = ["abcde"] * (40 - long) + ["abcdefghijklmnopqrst"] * long
    path.write_text("text,label\n" + "".join(f"{text},{'ab'[i % 2]}\n" for i, text in enumerate(rows)))
    report = check_data({"labeled": path}, tokenizer=tokenizer, max_length=max_length)
    (found,) = [finding for finding in report.findings if finding.kind == "truncated"]
    assert found.advice.startswith(advice)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Two classes of three images: one grey, one broken, one twice, one of 16 bits."""
    rng = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        for number in range(3):
            pixels = rng.integers(0, 256, (20, 20, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / name / f"{number}.png")
    Image.fromarray(np.full((40, 20), 7, np.uint8)).save(tmp_path / "cat" / "1.png")
    (tmp_path / "cat" / "2.png").write_bytes(b"no image")
    (tmp_path / "dog" / "1.png").write_bytes((tmp_path / "cat" / "0.png").read_bytes())
    Image.fromarray(np.full((20, 20), 60_000, np.uint16)).save(tmp_path / "dog" / "2.png")
    return tmp_path


def test_images(pictures: Path) -> None:
    report = check_data({"labeled": pictures})
    found = {finding.kind: finding for finding in report.findings}
    assert {"unreadable images", "deep images", "sizes", "modes", "contradictions"} <= found.keys()
    assert found["unreadable images"].message.startswith("1 of 6 images cannot be read: not a file of a known image")
    assert found["unreadable images"].examples[0].content.endswith("cat/2.png")
    assert found["sizes"].message == "images are from 20x20 to 20x40 pixels"
    assert found["unreadable images"].fit == "refused"
    assert found["unreadable images"].train.startswith("refused; --skip_corrupt_images")
    assert found["contradictions"].count == 2


def test_images_that_training_refuses_or_leaves_out_on_request(pictures: Path) -> None:
    columns = Columns(image="image", label="label")
    asked = refusals({"labeled": str(pictures)}, columns, "image")
    assert asked.fit is not None
    assert asked.train is not None
    # A setting of train, which fit does not have.
    assert "skip_corrupt" not in asked.fit
    assert asked.fit.endswith(". Replace or remove these files")
    config = SSLConfig(output_dir="unused", use_cpu=True, report_to=[], skip_corrupt_images=True)
    options = RecipeOptions(train_file=str(pictures))
    options.set_explicit(frozenset())
    # Of six images one is broken and one too deep.
    assert len(load_task(options, config, needs_unlabeled=False).labeled) == 4

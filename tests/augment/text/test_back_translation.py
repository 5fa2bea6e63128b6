from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from datasets import Dataset

from textssl.augment.text.back_translation import BackTranslation, accept_translation
from textssl.augment.text.translation_store import TranslationStore
from textssl.errors import UserError


class Upper:
    """Deterministic: upper case, and an exclamation mark."""

    identity = "upper"
    deterministic = True

    def __init__(self) -> None:
        self.batches: list[list[str]] = []

    def translate(self, texts: Sequence[str], rng: np.random.Generator) -> list[str]:
        self.batches.append(list(texts))
        return [text.upper() + "!" for text in texts]


class Sampled(Upper):
    """Adds a digit, drawn from a stream of the text's own."""

    identity = "sampled"
    deterministic = False

    def translate(self, texts: Sequence[str], rng: np.random.Generator) -> list[str]:
        self.batches.append(list(texts))
        root = int(rng.integers(2**32))
        digests = [int(hashlib.sha256(text.encode()).hexdigest(), 16) for text in texts]
        return [
            f"{text}{np.random.default_rng([root, digest]).integers(1000)}"
            for text, digest in zip(texts, digests, strict=True)
        ]


class Sociable(Upper):
    """What it makes of a text depends on the batch and on earlier draws, as with a real program."""

    identity = "sociable"
    deterministic = False

    def __init__(self, batches_until_crash: int = 10**9) -> None:
        super().__init__()
        self.left = batches_until_crash

    def translate(self, texts: Sequence[str], rng: np.random.Generator) -> list[str]:
        self.left -= 1
        if self.left < 0:
            raise RuntimeError("out of memory")
        return [f"{text} {texts[0]} {len(texts)} {rng.integers(1000)}" for text in texts]


LONG = ["a first review", "a second review", "a third review"]


@pytest.mark.parametrize(
    ("original", "translation", "accepted"),
    [
        # 10 characters are enough, 9 are not, on either side.
        ("a" * 10, "b" * 10, True),
        ("a" * 9, "b" * 10, False),
        ("a" * 10, "b" * 9, False),
        # 20 characters may become 10 to 30.
        ("a" * 20, "b" * 30, True),
        ("a" * 20, "b" * 31, False),
        ("a" * 20, "b" * 10, True),
        ("a" * 22, "b" * 11, True),
        ("a" * 23, "b" * 11, False),
        ("", "", False),
    ],
)
def test_guard_by_hand(original: str, translation: str, accepted: bool) -> None:
    assert accept_translation(original, translation) is accepted


def test_guard_settings() -> None:
    assert accept_translation("ab", "abc", min_chars=0)
    assert not accept_translation("abcd", "abcde", min_chars=0, max_length_change=0.2)
    assert accept_translation("", "", min_chars=0)


def test_view_is_pure_and_guarded() -> None:
    view = BackTranslation(Upper(), column="review")
    example = {"review": "a fine film", "label": 1}
    assert view(example, np.random.default_rng(0)) == {"review": "A FINE FILM!", "label": 1}
    assert example == {"review": "a fine film", "label": 1}
    assert view({"review": "fine"}, np.random.default_rng(0)) == {"review": "fine"}


def test_view_without_store_draws_from_the_rng() -> None:
    view = BackTranslation(Sampled())
    draw = [view({"text": LONG[0]}, np.random.default_rng(seed))["text"] for seed in (0, 0, 1)]
    assert draw[0] == draw[1] != draw[2]
    assert len(view.store) == 0


def test_view_takes_stored_copies_each_as_often(tmp_path: Path) -> None:
    engine = Sampled()
    view = BackTranslation(engine, tmp_path, copies=3)
    assert view.fill(LONG, progress=False) == 9
    engine.batches.clear()
    rng = np.random.default_rng(0)
    drawn = Counter(view({"text": LONG[0]}, rng)["text"] for _ in range(600))
    assert engine.batches == []
    assert len(drawn) == 3
    # Three standard deviations of a binomial with 600 draws at 1/3 are 35.
    assert all(abs(count - 200) < 35 for count in drawn.values())
    # What is not stored is translated now.
    assert view({"text": "another review"}, rng)["text"].startswith("another review")
    assert engine.batches == [["another review"]]


def test_equal_texts_are_translated_once_in_their_first_order(tmp_path: Path) -> None:
    engine = Upper()
    view = BackTranslation(engine, tmp_path)
    assert view.fill(["b", "a", "b", "", "a", "c"], batch_size=2, progress=False) == 4
    assert engine.batches == [["b", "a"], ["", "c"]]
    assert view.fill(["c", "d", "a"], progress=False) == 1
    assert engine.batches[2:] == [["d"]]
    # A new process, as it were.
    assert BackTranslation(engine, tmp_path).fill(["d", "b"], progress=False) == 0


def test_result_goes_with_the_text_and_not_with_the_line(tmp_path: Path) -> None:
    texts = [f"review number {i}" for i in range(20)]
    BackTranslation(Sampled(), tmp_path).fill(texts, batch_size=3, progress=False)
    order = np.random.default_rng(0).permutation(20)
    shuffled = Dataset.from_dict({"text": [texts[i] for i in order]})
    straight = Dataset.from_dict({"text": texts})
    one = BackTranslation(Sampled(), tmp_path).add_column(straight, progress=False)
    two = BackTranslation(Sampled(), tmp_path).add_column(shuffled, progress=False)
    by_text = dict(zip(one["text"], one["back_translation"], strict=True))
    assert [by_text[text] for text in two["text"]] == two["back_translation"][:]
    # Independent of the batch too, since the engine keys its draw by the text.
    fresh = BackTranslation(Sampled()).add_column(shuffled, batch_size=20, progress=False)
    assert fresh["back_translation"][:] == two["back_translation"][:]


def test_seed_copy_and_engine_have_results_of_their_own(tmp_path: Path) -> None:
    store = TranslationStore(tmp_path)
    view = BackTranslation(Sampled(), store, copies=2)
    one = view.add_column(Dataset.from_dict({"text": LONG}), progress=False)
    assert one.column_names == ["text", "back_translation_0", "back_translation_1"]
    other = BackTranslation(Sampled(), store, seed=1)
    assert other.fill(LONG, progress=False) == 3
    two = other.add_column(Dataset.from_dict({"text": LONG}), "bt", progress=False)
    columns = [one["back_translation_0"][:], one["back_translation_1"][:], two["bt"][:]]
    assert len({tuple(column) for column in columns}) == 3
    assert BackTranslation(Upper(), store).fill(LONG, progress=False) == 3
    # The seed of an engine without chance is no reason to translate again.
    assert BackTranslation(Upper(), store, seed=5).fill(LONG, progress=False) == 0


def test_guard_is_applied_on_use_and_not_in_the_store(tmp_path: Path) -> None:
    data = Dataset.from_dict({"text": ["fine", "a fine film"]})
    strict = BackTranslation(Upper(), tmp_path).add_column(data, progress=False)
    assert strict["back_translation"][:] == ["fine", "A FINE FILM!"]
    engine = Upper()
    loose = BackTranslation(engine, tmp_path, min_chars=0).add_column(data, progress=False)
    assert loose["back_translation"][:] == ["FINE!", "A FINE FILM!"]
    assert engine.batches == []


def test_resumed_job_equals_an_uninterrupted_one(tmp_path: Path) -> None:
    texts = [f"review number {i}" for i in range(23)]
    data = Dataset.from_dict({"text": texts})
    options = {"copies": 2, "max_length_change": 9.0}
    with pytest.raises(RuntimeError, match="out of memory"):
        BackTranslation(Sociable(7), tmp_path / "cut", **options).fill(texts, batch_size=4, progress=False)
    views = [BackTranslation(Sociable(), tmp_path / name, **options) for name in ("cut", "whole")]
    cut, whole = (view.add_column(data, batch_size=4, progress=False) for view in views)
    assert cut.to_dict() == whole.to_dict()


JOB = """
import sys, time
from textssl.augment.text.back_translation import BackTranslation

class Slow:
    identity, deterministic = "slow", True
    def translate(self, texts, rng):
        with open(sys.argv[2], "a") as log:
            for text in texts:
                time.sleep(0.01)
                log.write(text + "\\n")
                log.flush()
        return [text.upper() for text in texts]

texts = [f"text {i % 40}" for i in range(80)]
BackTranslation(Slow(), sys.argv[1]).fill(texts, batch_size=5, progress=False)
"""


@pytest.mark.slow
def test_killed_job_goes_on_and_repeats_nothing_that_was_written(tmp_path: Path) -> None:
    script = tmp_path / "job.py"
    script.write_text(JOB)
    folder, root = tmp_path / "store", Path(__file__).parents[3]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    log = [tmp_path / "first", tmp_path / "second"]
    job = subprocess.Popen([sys.executable, script, folder, log[0]], env=environment)
    deadline = time.time() + 60
    while len(list(folder.glob("*.jsonl"))) < 3 and time.time() < deadline:
        time.sleep(0.002)
    os.kill(job.pid, signal.SIGKILL)
    assert job.wait() == -signal.SIGKILL
    written = len(TranslationStore(folder))
    first = log[0].read_text().split("\n")[:-1]
    assert 15 <= written < 40
    subprocess.run([sys.executable, script, folder, log[1]], env=environment, check=True)
    second = log[1].read_text().split("\n")[:-1]
    # Written are whole calls of the first job; the second one translates all others, each once.
    assert first[:written] + second == [f"text {i}" for i in range(40)]
    assert len(first) - written <= 5
    assert len(TranslationStore(folder)) == 40


def test_progress_says_where_the_results_are(tmp_path: Path, capfd) -> None:
    view = BackTranslation(Upper(), tmp_path)
    view.fill(LONG[:1], progress=False)
    assert capfd.readouterr().err == ""
    view.fill(LONG)
    shown = capfd.readouterr().err
    assert str(tmp_path) in shown
    assert "1/3" in shown
    assert "3/3" in shown


def test_data_set_in_another_format_and_with_indices() -> None:
    data = Dataset.from_dict({"text": LONG, "label": [0, 1, 2]}).select([2, 0])
    out = BackTranslation(Upper()).add_column(data.with_format("numpy"), progress=False)
    assert out.with_format(None)["back_translation"][:] == ["A THIRD REVIEW!", "A FIRST REVIEW!"]
    assert out.with_format(None)["label"][:] == [2, 0]


@pytest.mark.parametrize("texts", [[], ["", ""]])
def test_empty_data(texts: list[str]) -> None:
    data = Dataset.from_dict({"text": texts})
    assert BackTranslation(Upper()).add_column(data, progress=False).num_rows == len(texts)


@pytest.mark.parametrize("options", [{"copies": 0}, {"seed": -1}, {"min_chars": -1}, {"max_length_change": 0.0}])
def test_options_out_of_range(options) -> None:
    with pytest.raises(UserError, match="copies must be at least 1"):
        BackTranslation(Sampled(), **options)


def test_copies_of_an_engine_without_chance() -> None:
    with pytest.raises(UserError, match="copies: got 2, but upper always translates"):
        BackTranslation(Upper(), copies=2)


def test_errors_name_column_and_row(tmp_path: Path) -> None:
    engine = Upper()
    view = BackTranslation(engine, tmp_path, column="review")
    with pytest.raises(UserError, match=r"column: got 'review'; the data have \['label', 'text'\]"):
        view({"text": "a", "label": 0}, np.random.default_rng(0))
    with pytest.raises(UserError, match=r"column: got 'review'; the data have \['text'\]"):
        view.add_column(Dataset.from_dict({"text": ["a"]}))
    with pytest.raises(UserError, match="column 'review': got None in row 1; expected texts"):
        view.add_column(Dataset.from_dict({"review": ["a", None]}))
    with pytest.raises(UserError, match="column 'review': got 3 in row 0; expected texts"):
        view.fill([3, "a"])  # type: ignore[list-item]
    with pytest.raises(UserError, match=r"got None; expected texts$"):
        view({"review": None}, np.random.default_rng(0))
    with pytest.raises(UserError, match=r"name: got 'b', but the data already have \['b'\]"):
        view.add_column(Dataset.from_dict({"review": ["a"], "b": [1]}), "b")
    with pytest.raises(UserError, match="batch_size: got 0; expected at least 1"):
        view.fill(["a"], batch_size=0)
    # All of it before the engine was asked.
    assert engine.batches == []


def test_engine_that_loses_a_text_stops_the_job(tmp_path: Path) -> None:
    class Lossy(Upper):
        def translate(self, texts: Sequence[str], rng: np.random.Generator) -> list[str]:
            return list(texts)[1:]

    with pytest.raises(RuntimeError, match="one string for each of 3 texts, got 2 results"):
        BackTranslation(Lossy(), tmp_path).fill(LONG, progress=False)
    assert len(TranslationStore(tmp_path)) == 0

"""A view that changes too few examples is warned of when a trainer is made, and the check leaves no trace."""

from __future__ import annotations

import logging
import random
import time
from typing import Any

import numpy as np
import pytest
import torch
from datasets import Dataset
from PIL import Image

from tests.contract import tiny_texts
from textssl import FixMatchConfig, FixMatchTrainer
from textssl.augment import Chain, Column, Identity, OneOf
from textssl.augment.each_side import EachSide
from textssl.augment.image import strong_view
from textssl.augment.text import (
    BackTranslation,
    Nlpaug,
    TextCTAugment,
    TfIdfReplacement,
    WordStatistics,
    WordSwap,
    split_words,
)
from textssl.augment.unchanged import unchanged_share, warn_if_unchanged
from textssl.notices import warn_once


@pytest.fixture(autouse=True)
def nothing_told() -> None:
    warn_once.cache_clear()


def numbered(count: int = 300) -> Dataset:
    return Dataset.from_dict({"text": [f"text number {i}" for i in range(count)], "number": list(range(count))})


class ChangesEvery:
    """Changes one text in so many, and counts its calls, in a list too."""

    def __init__(self, every: int) -> None:
        self.every, self.calls, self.seen = every, 0, []

    def __call__(self, example: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
        self.calls += 1
        self.seen.append(example["text"])
        random.random(), np.random.random(), torch.rand(1)
        changes = example["number"] % self.every == 0
        return {**example, "text": example["text"] + "!" * changes}


def warned(caplog: pytest.LogCaptureFixture, way: Any, data: Dataset | None = None, rows: int = 200) -> str:
    caplog.clear()
    with caplog.at_level(logging.WARNING, "textssl"):
        warn_if_unchanged({"strong": way}, ["weak", "strong"], numbered() if data is None else data, ["text"], rows)
    return caplog.text


def test_the_share_is_counted() -> None:
    examples = [dict(row) for row in numbered(90)]
    # Of 0 to 89, 30 numbers are divisible by 3.
    assert unchanged_share(ChangesEvery(3), examples, ["text"]) == (60, 90)
    assert unchanged_share(Identity(), examples, ["text"]) == (90, 90)
    # The class of a text is no change of it.
    assert unchanged_share(lambda e, rng: {**e, "text": split_words(e["text"])}, examples, ["text"]) == (90, 90)


def test_more_than_half_is_warned_of_and_half_is_not(caplog) -> None:
    data = numbered(100)
    assert warned(caplog, ChangesEvery(2), data) == ""
    text = warned(caplog, ChangesEvery(4), data)
    assert "'strong' (ChangesEvery) leaves 75 of 100 unlabeled examples as they are (75%)" in text
    # Said once.
    assert warned(caplog, ChangesEvery(4), data) == ""


def test_at_most_so_many_examples_are_tried(caplog) -> None:
    assert " of 200 unlabeled examples" in warned(caplog, ChangesEvery(1000))
    assert " of 20 unlabeled examples" in warned(caplog, ChangesEvery(1000), rows=20)
    # Too few to tell a share.
    assert warned(caplog, ChangesEvery(1000), numbered(4)) == ""


@pytest.mark.parametrize(
    "wrap", [lambda way: way, lambda way: Chain([Identity(), way]), lambda way: OneOf([way, way])]
)
def test_no_trace_is_left(caplog, wrap) -> None:
    way = ChangesEvery(10)
    random.seed(1), np.random.seed(1), torch.manual_seed(1)
    before = random.random(), np.random.random(), torch.rand(1)
    random.seed(1), np.random.seed(1), torch.manual_seed(1)
    assert "leaves" in warned(caplog, wrap(way))
    assert (way.calls, way.seen) == (0, [])
    assert (random.random(), np.random.random(), torch.rand(1)) == before


def test_counters_of_nlpaug_are_left_alone(caplog) -> None:
    class Idle:
        aug_p = 0.5

        def augment(self, text: str, n: int, num_thread: int) -> list[str]:
            return [text]

    way = Nlpaug(Idle())
    assert "(Nlpaug) leaves 200 of 200" in warned(caplog, way)
    assert (way.calls, way.unchanged) == (0, 0)


def test_a_column_that_equals_the_text(caplog) -> None:
    data = numbered().add_column("translated", numbered()["text"])
    assert "(Column) leaves 200 of 200" in warned(caplog, Column("translated"), data)


def test_a_pair_is_as_it_was_if_both_texts_are() -> None:
    examples = [{"a": f"one {i}", "b": f"two {i}", "number": i} for i in range(40)]

    def second_of_half(example: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
        return {**example, "b": example["b"] + "!" * (example["number"] % 2)}

    assert unchanged_share(second_of_half, examples, ["a", "b"]) == (20, 40)
    assert unchanged_share(second_of_half, examples, ["a"]) == (40, 40)
    assert unchanged_share(EachSide(WordSwap(0.5, "a"), ["a", "b"]), examples, ["a", "b"]) == (0, 40)


def test_a_function_by_its_name(caplog) -> None:
    def shout(example: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
        return example

    assert "'strong' (shout) leaves" in warned(caplog, shout)


def test_what_is_finished_late_is_judged_by_what_it_makes(caplog) -> None:
    texts = numbered()["text"]
    statistics = WordStatistics.fit(texts)
    idle = TextCTAugment({"none": [TfIdfReplacement(statistics, p=0.0)], "swap": [WordSwap(0.0)]})
    assert "(TextCTAugment) leaves 200 of 200" in warned(caplog, idle)
    assert warned(caplog, TextCTAugment({"swap": [WordSwap(0.9)]})) == ""


def test_what_fails_or_is_slow_or_cannot_be_copied_is_left_to_the_training(caplog) -> None:
    def fails(example: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
        raise RuntimeError("no GPU")

    class Uncopied(ChangesEvery):
        def __deepcopy__(self, memo: Any) -> Any:
            raise TypeError("cannot be copied")

    class Engine:
        identity, deterministic = "never", True

        def translate(self, texts: Any, rng: Any) -> Any:
            raise AssertionError("translated on the spot")

    for way in (fails, Column("missing"), Uncopied(1000), OneOf([Identity(), BackTranslation(Engine())])):
        assert warned(caplog, way) == ""


def test_a_slow_view_is_tried_on_as_many_as_there_is_time_for(caplog) -> None:
    def slow(example: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
        time.sleep(0.04)
        return example

    start = time.perf_counter()
    assert "(slow) leaves" in warned(caplog, slow)
    assert time.perf_counter() - start < 2


def test_images(caplog) -> None:
    rng = np.random.default_rng(0)
    images = [Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)) for _ in range(10)]
    examples = [{"image": image} for image in images]
    assert unchanged_share(strong_view(), examples, ["image"])[0] < 3
    assert unchanged_share(lambda e, rng: {"image": e["image"].copy()}, examples, ["image"]) == (10, 10)


def trainer(folder: Any, **options: Any) -> FixMatchTrainer:
    config = FixMatchConfig(output_dir=str(folder), use_cpu=True, max_length=16, report_to=[], max_steps=1)
    return FixMatchTrainer(
        tiny_texts.model(), config, tiny_texts.labeled(), processing_class=tiny_texts.tokenizer(), **options
    )


def test_a_trainer_says_so_when_it_is_made(tmp_path, caplog) -> None:
    # One word each, which TF-IDF replacement never changes.
    words = Dataset.from_dict({"text": [f"w{i}" for i in range(50)]})
    with caplog.at_level(logging.WARNING, "textssl"):
        trainer(tmp_path, unlabeled_dataset=words)
    assert "'strong' (TfIdfReplacement) leaves 50 of 50 unlabeled examples as they are (100%)" in caplog.text
    caplog.clear()
    with caplog.at_level(logging.WARNING, "textssl"):
        trainer(tmp_path, unlabeled_dataset=tiny_texts.unlabeled())
        trainer(
            tmp_path,
            unlabeled_dataset=tiny_texts.unlabeled(),
            augmentations={"strong": tiny_texts.swap_words, "weak": Identity()},
        )
    assert caplog.text == ""

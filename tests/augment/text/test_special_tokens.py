"""Special tokens of a tokenizer that stand in a text: no view changes them, none puts one in."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
from datasets import Dataset

from tests.contract import tiny_texts
from textssl import FixMatchConfig, FixMatchTrainer
from textssl.augment.text import (
    TextCTAugment,
    TfIdfReplacement,
    UniformReplacement,
    WordDeletion,
    WordInsertion,
    WordStatistics,
    WordSwap,
    split_words,
)
from textssl.augment.text.special_tokens import SpecialTokens, special_tokens_of
from textssl.errors import UserError


SPECIAL = ["[SEP]", "</s>", "<|endoftext|>", "<mask>", "[unused12]", "<extra_id_3>", "xxbos", "[ASPECT]"]
OWN = ["xxbos", "[ASPECT]"]


WORDS = ["alpha", "beta", "gamma", "delta", "eps", "zeta", "eta", "theta"]


def corpus(separator: str) -> list[str]:
    rng = np.random.default_rng(0)
    sides = [(" ".join(rng.choice(WORDS, 5)), " ".join(rng.choice(WORDS, 4))) for _ in range(60)]
    return [f"{a} {separator} {b}{separator}" if i % 2 else f"{a}. {separator}{b}" for i, (a, b) in enumerate(sides)]


def views(texts: list[str], special: list[str]) -> list[Any]:
    told = {"special_tokens": special}
    statistics = WordStatistics.fit(texts, **told)
    return [
        TfIdfReplacement.fit(texts, p=0.9, **told),
        UniformReplacement.fit(texts, p=0.9, **told),
        WordDeletion(0.7, **told),
        WordSwap(0.7, **told),
        WordInsertion(statistics, 0.7, **told),
    ]


@pytest.mark.parametrize("token", SPECIAL)
def test_a_special_token_stays_as_often_as_it_stood_and_in_its_place(token: str) -> None:
    texts = corpus(token)
    for view in views(texts, OWN):
        for seed, text in enumerate(texts):
            changed = str(view({"text": text}, np.random.default_rng(seed))["text"])
            assert changed.count(token) == text.count(token), (type(view).__name__, text, changed)


@pytest.mark.parametrize("token", SPECIAL)
def test_no_part_of_a_special_token_is_in_the_vocabulary(token: str) -> None:
    statistics = WordStatistics.fit(corpus(token), special_tokens=OWN)
    assert set(statistics.words) == {*WORDS, "."}


def test_ctaugment_keeps_them_under_every_operation() -> None:
    texts = corpus("[ASPECT]")
    augmentation = TextCTAugment.fit(texts, special_tokens=OWN)
    for bins in augmentation.operations.values():
        for seed, text in enumerate(texts):
            changed = str(bins[-1]({"text": text}, np.random.default_rng(seed))["text"])
            assert changed.count("[ASPECT]") == text.count("[ASPECT]")


def test_chances_are_those_of_the_text_without_them() -> None:
    view = TfIdfReplacement.fit(["a b c", "a b b d", "a e", "a b ."], p=0.5)
    plain = view.replacement_chances("b c c a")
    assert view.replacement_chances("b c [SEP] c a").tolist() == [*plain[:2], 0, 0, 0, *plain[2:]]


def test_texts_without_one_are_changed_as_before() -> None:
    texts = corpus("and")
    for plain, told in zip(views(texts, []), views(texts, ["[OTHER]"]), strict=True):
        for seed, text in enumerate(texts):
            assert plain({"text": text}, np.random.default_rng(seed)) == told(
                {"text": text}, np.random.default_rng(seed)
            )


@pytest.mark.parametrize(
    ("text", "inside"),
    [
        ("a [SEP] b", [0, 1, 1, 1, 0]),
        ("a [sep] b", [0, 0, 0, 0, 0]),
        ("see [1] and <b>", None),
        ("a</s></s>b", [0, 1, 1, 1, 1, 1, 1, 1, 1, 0]),
        ("ab[MASK]cd", [0, 1, 1, 1, 0]),
        ("<s>a", [1, 1, 1, 0]),
    ],
)
def test_which_words_are_in_one(text: str, inside: list[int] | None) -> None:
    found = SpecialTokens().positions(split_words(text))
    if inside is None or not any(inside):
        assert found is None
    else:
        assert found is not None
        assert found.astype(int).tolist() == inside


def test_bad_lists_of_them() -> None:
    with pytest.raises(UserError, match=r"special_tokens: got '\[SEP\]'; expected a list"):
        SpecialTokens("[SEP]")
    for wrong in ("", " ", 3):
        with pytest.raises(UserError, match="special_tokens: got"):
            TfIdfReplacement.fit(["a b"], special_tokens=[wrong])  # type: ignore[list-item]


def test_the_default_strong_view_knows_the_special_tokens_of_the_tokenizer(tmp_path) -> None:
    tokenizer = copy.deepcopy(tiny_texts.tokenizer())
    tokenizer.add_special_tokens({"additional_special_tokens": ["xxbos"]})
    assert set(special_tokens_of(tokenizer)) == {*tokenizer.all_special_tokens, "xxbos"}
    texts = corpus("xxbos")
    config = FixMatchConfig(output_dir=str(tmp_path), use_cpu=True, max_length=16, report_to=[])
    data = Dataset.from_dict({"text": texts})
    trainer = FixMatchTrainer(tiny_texts.model(), config, tiny_texts.labeled(), data, processing_class=tokenizer)
    strong = trainer.data_collator.augmentations["strong"]
    for seed, text in enumerate(texts):
        assert str(strong({"text": text}, np.random.default_rng(seed))["text"]).count("xxbos") == text.count("xxbos")

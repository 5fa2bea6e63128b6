"""Deletion, exchange and insertion of words."""

from __future__ import annotations

import pickle
import unicodedata
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textssl.augment.text import (
    SplitText,
    TfIdfReplacement,
    WordDeletion,
    WordInsertion,
    WordStatistics,
    WordSwap,
    split_words,
)
from textssl.errors import UserError


CORPUS = ["alpha beta gamma", "alpha beta delta", "alpha epsilon", "zeta zeta eta"]
STATISTICS = WordStatistics.fit(CORPUS)
LONG = " ".join(f"w{i}" for i in range(40))
# Words that touch, dropped characters, ideographs, spaces of all kinds, and longer ones of any characters.
PARTS = ["a", "B", "don't", ".", "!?", " ", "\n", "\x1c", "中", "é", "\u200b", "  ", "9"]
TEXTS = st.lists(st.sampled_from(PARTS)).map("".join) | st.text(max_size=30)


def operations(p: float = 0.3, **settings: Any) -> list[Any]:
    return [WordDeletion(p, **settings), WordSwap(p, **settings), WordInsertion(STATISTICS, p, **settings)]


def made(operation: Any, text: str, seed: int = 0) -> SplitText:
    changed: SplitText = operation({"text": text}, np.random.default_rng(seed))["text"]
    return changed


@pytest.mark.slow
@given(TEXTS, st.sampled_from([0.0, 0.05, 0.5, 1.0]), st.integers(0, 2**32))
def test_the_cut_of_a_changed_text_is_never_stale_and_no_text_becomes_empty(text: str, p: float, seed: int) -> None:
    given_words = split_words(text).words
    for operation in operations(p):
        changed = made(operation, text, seed)
        assert isinstance(changed, SplitText)
        assert changed.pieces == SplitText(str(changed)).pieces
        assert bool(changed.words) == bool(given_words)


@given(TEXTS, st.integers(0, 2**32))
def test_words_are_deleted_exchanged_or_inserted_and_nothing_else(text: str, seed: int) -> None:
    words = split_words(text).words
    deleted, swapped, inserted = (made(operation, text, seed).words for operation in operations(0.5))
    assert in_order(deleted, words)
    assert Counter(swapped) == Counter(words)
    assert in_order(words, inserted)
    new = Counter(inserted) - Counter(words)
    assert new.keys() <= set(STATISTICS.words)
    # Punctuation is not counted, moved or deleted.
    real = [word for word in words if not is_mark(word)]
    assert len(inserted) == len(words) + (max(1, len(real) // 2) if real else 0)
    assert list(filter(is_mark, deleted)) == list(filter(is_mark, words))
    assert [is_mark(word) and word for word in swapped] == [is_mark(word) and word for word in words]


def is_mark(word: str) -> bool:
    """Whether a word is a punctuation character, by the rule of BERT's tokenizer."""
    ascii_symbol = len(word) == 1 and word.isascii() and word.isprintable() and not word.isalnum()
    return ascii_symbol or (len(word) == 1 and unicodedata.category(word).startswith("P"))


def in_order(some: tuple[str, ...], all_of_them: tuple[str, ...]) -> bool:
    rest = iter(all_of_them)
    return all(word in rest for word in some)


def test_each_word_goes_with_probability_p() -> None:
    kept = Counter(word for seed in range(2000) for word in made(WordDeletion(0.3), LONG, seed).words)
    # Four standard deviations of a share of 2000.
    assert all(abs(kept[f"w{i}"] / 2000 - 0.7) < 0.042 for i in range(40))


def test_one_word_is_kept_where_all_would_go() -> None:
    kept = Counter(made(WordDeletion(1.0), "one two three", seed).strip() for seed in range(300))
    assert kept.keys() == {"one", "two", "three"}
    assert min(kept.values()) > 60


def test_spaces_around_what_is_deleted() -> None:
    """Of each outcome, the text as it should be: a word takes the spaces after it along, no two grow together."""
    seen = {str(made(WordDeletion(0.5), " it's\tso. ", seed)) for seed in range(400)}
    # Punctuation stays. Where all three words would go, one of them is kept.
    assert seen == {
        " it's\tso. ", " it's\t. ", " it'so. ", " 's\tso. ", " it'. ", " 's\t. ", " 'so. ",
    }  # fmt: skip
    assert {str(made(WordDeletion(0.5), "one  two three", seed)) for seed in range(400)} == {
        "one  two three", "one  two", "one  three", "two three", "one", "two", "three",
    }  # fmt: skip


def test_lines_stay_lines() -> None:
    """By hand: each of the words of two lines kept or deleted, the line break kept in every case."""
    seen = {str(made(WordDeletion(0.5), "a b\n\n  c d\n", seed)) for seed in range(600)}
    firsts, seconds = ("a b", "a", "b", ""), ("c d", "c", "d", "")
    whole = {f"{first}\n\n  {second}\n" for first in firsts for second in seconds}
    assert seen <= whole
    assert {"a\n\n  d\n", "b\n\n  c\n", "a b\n\n  \n", "\n\n  c d\n"} <= seen
    text = "Heading of it\r\n\r\n> first line, quoted.\n> second line!\n\tindented one\u2028last"
    for operation in operations(0.5):
        for seed in range(50):
            changed = str(made(operation, text, seed))
            assert [mark for mark in changed if mark in "\r\n\u2028>,.!"] == [
                mark for mark in text if mark in "\r\n\u2028>,.!"
            ]
    for seed in range(50):
        swapped = made(WordSwap(0.5), text, seed)
        assert swapped.pieces[::2] == SplitText(text).pieces[::2]


def test_a_text_of_punctuation_alone_stays_as_it_is() -> None:
    for operation in operations(1.0):
        assert [str(made(operation, "?! ...\n", seed)) for seed in range(5)] == ["?! ...\n"] * 5


def test_no_punctuation_is_inserted() -> None:
    corpus = ["a . . !", "a , . !", "b . ! ?"]
    statistics = WordStatistics.fit(corpus)
    assert {".", "!"} < set(statistics.words)
    for seed in range(200):
        new = Counter(made(WordInsertion(statistics, 0.5), "X Y Z W.", seed).words)
        assert new.keys() <= {*"XYZW.", "a", "b"}
        assert new.total() == 7
    only = WordStatistics.fit([". !", ". ?"])
    assert str(made(WordInsertion(only, 0.5), "X Y", 0)) == "X Y"


def test_as_many_exchanges_as_words_times_p() -> None:
    for seed in range(50):
        once = made(WordSwap(0.05), " ".join("abcdefgh"), seed).words
        assert sum(a != b for a, b in zip(once, "abcdefgh", strict=True)) == 2
        moved = sum(a != b for a, b in zip(made(WordSwap(0.2), LONG, seed).words, LONG.split(), strict=True))
        assert 2 <= moved <= 16
    assert made(WordSwap(1.0), "alone") == "alone"


def test_all_pairs_of_places_are_exchanged() -> None:
    seen = Counter(str(made(WordSwap(0.1), "a b c", seed)) for seed in range(600))
    assert seen.keys() == {"b a c", "c b a", "a c b"}
    assert min(seen.values()) > 150


def test_inserted_words_are_drawn_as_those_of_the_replacement() -> None:
    source = TfIdfReplacement(STATISTICS)
    operation = WordInsertion(source, 1.0)
    assert operation.source is source
    new = Counter(word for seed in range(500) for word in made(operation, LONG, seed).words if word[0] != "w")
    total = sum(new.values())
    assert total == 500 * 40
    for word, q in zip(STATISTICS.words, source.replacement_probs, strict=True):
        assert new[word] / total == pytest.approx(q, abs=0.016)
    assert min(source.replacement_probs) == 0


def test_words_are_inserted_at_every_place() -> None:
    places = Counter()
    for seed in range(600):
        words = made(WordInsertion(STATISTICS, 0.1), "X Y", seed).words
        places[next(i for i, word in enumerate(words) if word not in "XY")] += 1
    assert places.keys() == {0, 1, 2}
    assert min(places.values()) > 150
    ends = {str(made(WordInsertion(WordStatistics.fit(["q"]), 0.1), "X.\n", seed)) for seed in range(50)}
    assert ends == {"q X.\n", "X q .\n", "X. q\n"}
    lines = {str(made(WordInsertion(WordStatistics.fit(["q"]), 0.1), "X\nY", seed)) for seed in range(50)}
    assert lines == {"q X\nY", "X\nq Y", "X\nY q"}


def test_an_example_is_kept_and_an_equal_rng_gives_an_equal_text() -> None:
    for operation in operations():
        example = {"text": LONG, "label": 1}
        first, second = (operation(example, np.random.default_rng(5)) for _ in range(2))
        assert first == second
        assert first["label"] == 1
        assert first["text"] != LONG
        assert example == {"text": LONG, "label": 1}
        assert pickle.loads(pickle.dumps(operation))(example, np.random.default_rng(5)) == first


def test_what_stands_before_the_last_words_is_dropped() -> None:
    for operation in operations(0.2, keep_last=10):
        words = made(operation, LONG).words
        assert set(words) - set(STATISTICS.words) <= {f"w{i}" for i in range(30, 40)}


def test_p_of_zero_changes_nothing() -> None:
    assert [str(made(operation, "It's  so.")) for operation in operations(0.0)] == ["It's  so."] * 3


@pytest.mark.parametrize(
    ("settings", "told"),
    [({"p": 1.5}, r"p: got 1.5; expected a probability in \[0, 1\]"), ({"keep_last": 0}, "keep_last: got 0")],
)
@pytest.mark.parametrize("kind", [WordDeletion, WordSwap, lambda **s: WordInsertion(STATISTICS, **s)])
def test_options_out_of_range(kind: Any, settings: dict[str, Any], told: str) -> None:
    with pytest.raises(UserError, match=told):
        kind(**settings)


def test_a_column_that_is_missing_or_holds_no_text() -> None:
    for operation in operations():
        with pytest.raises(UserError, match=r"column: got 'text'; the example has \['body'\]"):
            operation({"body": "a"}, np.random.default_rng(0))
        with pytest.raises(UserError, match=r"column 'text' of row 3: got None \(NoneType\); expected str"):
            operation({"text": None, "index": 3}, np.random.default_rng(0))


def test_replacements_of_several_strengths_share_their_tables() -> None:
    strong = TfIdfReplacement(STATISTICS, p=0.7, column="body", keep_last=5, remember=9)
    weak = strong.with_p(0.1)
    assert (weak.p, strong.p, weak.column, weak.keep_last) == (0.1, 0.7, "body", 5)
    assert weak._words is strong._words
    assert weak._new_words is strong._new_words
    example = {"body": "alpha beta gamma delta"}
    fresh = TfIdfReplacement(STATISTICS, p=0.1, column="body", keep_last=5)
    for seed in range(20):
        # Both remember the text, each with chances of its own.
        strong(example, np.random.default_rng(seed))
        assert weak(example, np.random.default_rng(seed)) == fresh(example, np.random.default_rng(seed))
    with pytest.raises(UserError, match="p: got 2"):
        strong.with_p(2)

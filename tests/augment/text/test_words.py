from __future__ import annotations

import copy
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

from textssl.augment.text import SplitText, split_words
from textssl.augment.text.words import bert_words, normalize_word, stands_alone


# Letters, marks, spaces, dropped characters, punctuation and ideographs, in every order.
PLAIN = "aZé9ß\u0301\u0130 \t\n\xa0\u2028\u3000\x00\x0b\x1c\x1f\x85\u200b\ufeff\xad.,'$`«…、中한"
# Scripts without spaces: kana with marks, Thai with a leading vowel, Burmese with a silenced and a stacked letter,
# Khmer with a stacked one, emoji with a skin tone, a joiner and halves of flags, and a variation selector.
UNSPACED = "もゃー\u3099ｶﾞเกำ\u0e48๒ကန\u103a\u1039\u102dខ\u17d2😀👍🏽\u200d🇩🇪❤\ufe0f𗀀"
TRICKY = st.text(st.sampled_from(PLAIN + UNSPACED))


def words_of_the_tokenizer(text: str) -> list[str]:
    """The oracle: the words of the tokenizers library, as written in cleaned text."""
    normalizer = BertNormalizer(clean_text=True, handle_chinese_chars=True, strip_accents=False, lowercase=False)
    return [word for word, _ in BertPreTokenizer().pre_tokenize_str(normalizer.normalize_str(text))]


def cleaned(words: tuple[str, ...]) -> list[str]:
    normalizer = BertNormalizer(clean_text=True, handle_chinese_chars=False, strip_accents=False, lowercase=False)
    return [normalizer.normalize_str(word) for word in words]


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("", ("",)),
        ("   ", ("   ",)),
        ("one", ("", "one", "")),
        ("Good,  bad ", ("", "Good", "", ",", "  ", "bad", " ")),
        ("don't", ("", "don", "", "'", "", "t", "")),
        ("a\x1cb", ("", "a\x1cb", "")),
        ("a\x0bb\x85c", ("", "a\x0bb\x85c", "")),
        ("a\u200bb \u200b", ("", "a\u200bb", " \u200b")),
        ("a\u2028b\xa0c", ("", "a", "\u2028", "b", "\xa0", "c", "")),
        ("我们x", ("", "我", "", "们", "", "x", "")),
        ("A$5", ("", "A", "", "$", "", "5", "")),
        ("naïve…", ("", "naïve", "", "…", "")),
        ("snake_case", ("", "snake", "", "_", "", "case", "")),
    ],
)
def test_cut(text: str, pieces: tuple[str, ...]) -> None:
    assert SplitText(text).pieces == pieces


@given(st.text(st.sampled_from(PLAIN)))
def test_words_are_those_of_the_bert_tokenizer(text: str) -> None:
    split = split_words(text)
    assert "".join(split.pieces) == split == text
    assert cleaned(split.words) == words_of_the_tokenizer(text)
    assert bert_words(split) == split.words


@given(TRICKY)
def test_words_of_the_bert_tokenizer_hold_whole_units(text: str) -> None:
    split = split_words(text)
    assert "".join(split.pieces) == split == text
    assert cleaned(bert_words(split)) == words_of_the_tokenizer(text)


@pytest.mark.parametrize(
    "units",
    [
        # What a reader takes for one letter, and in Thai, Lao and Burmese what cannot be written apart.
        "と て も お い し い で し た 。",
        "きゃ りー ぱ みゅ ぱ みゅ",
        "シャ ツ",
        "ｶﾞ ｷﾞ ｱ",
        "か\u3099 き\u3099",
        "料 理 は 々",
        "อา หา ร อ ร่ อ ย",
        "น้ำ ใจ เก่ ง",
        "ພາ ສາ ລາ ວ ເຂົ້າ",
        "မြန် မာ နိုင် ငံ",
        "သတ္တ ဝါ",
        "ភា សា ខ្មែ រ",
        "😀 😂 👍🏽 ❤️ 🇩🇪 🇫🇷 👨\u200d👩\u200d👧 ★ ★",
        "ꀀ ꀁ",
        "ㄅ ㄆ",
        "𗀀 𗀁",
        "good も bad",
        "iphone ให ม่ 15 บา ท",
        "๒๕๖๐ ปี",
        "great 😀 ! 😀",
    ],
)
def test_units_where_no_space_tells_the_words(units: str) -> None:
    text = units.replace(" ", "")
    assert split_words(text).words == tuple(units.split(" "))
    # With the spaces the units are the same.
    assert split_words(units).words == tuple(units.split(" "))


@pytest.mark.parametrize("text", ["음식이 맛있어요", "хорошо", "ठीक है", "முதல் பதிவு", "السلام عليكم", "25° ™ a→b"])
def test_scripts_with_spaces_are_cut_there(text: str) -> None:
    assert split_words(text).words == tuple(text.split())


@given(st.text())
def test_arbitrary_text_is_kept(text: str) -> None:
    split = split_words(text)
    assert "".join(split.pieces) == text
    assert len(split.pieces) == 2 * len(split.words) + 1
    assert all(split.words)


@given(TRICKY, st.integers(1, 6))
def test_last_words_are_the_end_of_the_full_cut(text: str, last: int) -> None:
    end = split_words(text, last)
    # A word piece may span several units, so they are not what is counted.
    assert bert_words(end) == bert_words(split_words(text))[-last:]
    assert end.words == split_words(text).words[-len(end.words) or len(text) :]
    assert text.endswith(end)
    assert split_words(SplitText(text), last).pieces == end.pieces


@given(st.lists(st.sampled_from(["a", "b,", " ", "c\x1fd", "中"])), st.integers(1, 4))
def test_last_words_with_many_spaces(parts: list[str], last: int) -> None:
    text = " ".join(parts)
    assert split_words(text, last).words == split_words(text).words[-last:]


def test_last_words_drop_what_stands_before() -> None:
    assert split_words("  one two,  three ", 3).pieces == ("", "two", "", ",", "  ", "three", " ")
    assert split_words("one two", 5) == "one two"
    with pytest.raises(ValueError, match="last: got 0"):
        split_words("one", 0)


@pytest.mark.parametrize(
    "operate",
    [
        lambda t: t[:],
        lambda t: t + "",
        lambda t: "" + t,
        lambda t: t * 1,
        lambda t: t.strip(),
        lambda t: t.lower(),
        lambda t: t.replace("a", "b"),
        lambda t: t.replace("zz", "b"),
        lambda t: t.removesuffix("zz"),
        lambda t: t.ljust(0),
        lambda t: t.translate({}),
        lambda t: t.format(),
        lambda t: "".join([t]),
        lambda t: t.partition("zz")[0],
        lambda t: t.split("zz")[0],
        lambda t: t.splitlines()[0],
        lambda t: t.expandtabs(),
        lambda t: t.zfill(0),
        lambda t: f"{t}",
        str,
    ],
)
def test_the_cut_is_never_stale(operate) -> None:
    text = SplitText("a b, c")
    result = operate(text)
    # Where nothing changes, Python may hand back the very object, whose cut holds.
    assert type(result) is str or result is text


def test_operations_that_change_the_text_give_plain_strings() -> None:
    text = SplitText("a b, c")
    changed = [text.upper(), text + ".", text[1:], text.replace("a", "bc"), text * 2, text.title()]
    assert {type(result) for result in changed} == {str}


def test_the_cut_cannot_be_set_and_survives_copies() -> None:
    text = SplitText("a b, c")
    with pytest.raises(AttributeError):
        text.pieces = ("x",)
    for other in (copy.copy(text), copy.deepcopy(text), pickle.loads(pickle.dumps(text))):
        assert type(other) is SplitText
        assert other == text
        assert other.pieces == text.pieces
    assert {text: 1}["a b, c"] == 1
    assert split_words(text) is text


def test_not_a_string() -> None:
    with pytest.raises(TypeError, match="got int; expected str"):
        SplitText(3)  # type: ignore[arg-type]


def test_with_words_keeps_spacing_and_adds_it_where_words_would_grow_together() -> None:
    text = SplitText(" I  don't, ok")
    assert text.with_words([0], ["you"]) == " you  don't, ok"
    assert text.with_words([2], ["so"]) == " I  don so t, ok"
    assert text.with_words([4], ["."]) == " I  don't. ok"
    assert text.with_words([1, 2, 3], ["a", "b", "c"]) == " I  a b c, ok"
    # A zero-width character between two words does not hold them apart.
    assert SplitText("a.\u200bb").with_words([1], ["x"]) == "a x\u200b b"
    assert SplitText("我们").with_words([0], ["x"]) == "x们"
    # Units stand side by side as in the text, but for two that would become one.
    assert SplitText("もも").with_words([0], ["x"]) == "xも"
    assert SplitText("😀😀").with_words([0, 1], ["x", "y"]) == "x y"
    assert SplitText("กก").with_words([0], ["เ"]) == "เ ก"
    assert SplitText("👍👍").with_words([1], ["🏽"]) == "👍 🏽"


@given(TRICKY, st.data())
def test_with_words_is_what_cutting_the_result_gives(text: str, data: st.DataObject) -> None:
    split = split_words(text)
    positions = data.draw(st.lists(st.integers(0, max(len(split.words) - 1, 0)), unique=True))
    positions = positions if split.words else []
    new = data.draw(
        st.lists(
            st.sampled_from(["x", "中", ".", "\u0301y", "z\x1fz", "も", "เ", "ก", "န်", "👍", "🏽", "🇩", "👨\u200d👩"]),
            min_size=len(positions),
            max_size=len(positions),
        )
    )
    result = split.with_words(positions, new)
    assert result.pieces == split_words(str(result)).pieces
    expected = list(split.words)
    for position, word in zip(positions, new, strict=True):
        expected[position] = word
    assert list(result.words) == expected


def test_with_words_refuses_what_is_not_one_word() -> None:
    text = SplitText("a b")
    with pytest.raises(ValueError, match="'x y'; expected exactly one word"):
        text.with_words([0], ["x y"])
    with pytest.raises(ValueError, match="exactly one word"):
        text.with_words([0], [""])
    with pytest.raises(ValueError, match="positions: got 2"):
        text.with_words([2], ["x"])
    with pytest.raises(ValueError, match="got 2 for 1 positions"):
        text.with_words([0], ["x", "y"])


@given(st.text())
def test_a_normalized_word_is_one_word_and_normal(text: str) -> None:
    for word in split_words(text).words:
        normal = normalize_word(word)
        assert split_words(normal).words == (normal,)
        assert normalize_word(normal) == normal


def test_stands_alone() -> None:
    assert [stands_alone(word) for word in (".", "$", "…", "中", "a", "..", "é")] == [
        *[True] * 4,
        *[False] * 3,
    ]

r"""Units of what is written without spaces between words: Thai, kana, Khmer, Lao, Burmese, emoji and the like.

Where no space tells the words, a unit is the smallest part that still can be written by itself: a Thai or Lao cluster
with its leading vowel, a Burmese syllable, a Khmer consonant with what is stacked under it, a kana with the small kana
after it, an emoji with its modifiers, and else a letter with its combining marks, close to the extended grapheme
clusters of Unicode (UAX #29). The scripts are those whose lines may break between letters or need a dictionary for it
(UAX #14, classes SA and ID). Chinese characters are not here: BERT's rule already makes each a word. Korean is written
with spaces.
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections.abc import Iterable


__all__ = ["PUNCTUATION", "UNIT", "UNSPACED", "has_unspaced", "is_unspaced"]

# No punctuation is assigned above the supplementary multilingual plane.
PUNCTUATION = frozenset(string.punctuation).union(
    character for character in map(chr, range(0x80, 0x20000)) if unicodedata.category(character).startswith("P")
)

# Blocks, first and last code point.
LETTER_BLOCKS = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Myanmar
    (0x1780, 0x17FF),  # Khmer
    (0x1950, 0x19DF),  # Tai Le, New Tai Lue
    (0x1A20, 0x1AAF),  # Tai Tham
    (0x3005, 0x3007),  # iteration mark, closing mark and zero of Chinese characters
    (0x3040, 0x312F),  # Hiragana, Katakana, Bopomofo
    (0x31A0, 0x31BF),  # Bopomofo Extended
    (0x31F0, 0x31FF),  # Katakana Phonetic Extensions
    (0xA000, 0xA4CF),  # Yi
    (0xA9E0, 0xA9FF),  # Myanmar Extended-B
    (0xAA60, 0xAADF),  # Myanmar Extended-A, Tai Viet
    (0xFF66, 0xFF9F),  # halfwidth Katakana
    (0x11700, 0x1174F),  # Ahom
    (0x17000, 0x18D8F),  # Tangut, Khitan small script
    (0x1AFF0, 0x1B2FF),  # Kana Extended and Supplement, Nushu
    (0x2B820, 0x2B91F),  # Chinese characters that BERT's rule leaves out
    (0x2CEB0, 0x2F7FF),
    (0x30000, 0x323AF),
)
EMOJI_BLOCKS = (
    (0x231A, 0x231B),
    (0x23E9, 0x23FA),
    (0x25B6, 0x25B6),
    (0x25C0, 0x25C0),
    (0x2600, 0x27BF),
    (0x2B05, 0x2B07),
    (0x2B1B, 0x2B1C),
    (0x2B50, 0x2B50),
    (0x2B55, 0x2B55),
    (0x1F000, 0x1FAFF),
)


def _ranges(codes: Iterable[int]) -> str:
    """The inside of a character class."""
    spans: list[list[int]] = []
    for code in codes:
        if spans and code == spans[-1][1] + 1:
            spans[-1][1] = code
        else:
            spans.append([code, code])
    return "".join(f"\\U{first:08x}-\\U{last:08x}" for first, last in spans)


def _members(blocks: Iterable[tuple[int, int]], without: str) -> str:
    codes = (code for first, last in blocks for code in range(first, last + 1))
    return _ranges(code for code in codes if unicodedata.category(chr(code))[0] not in without)


MARKS = _ranges(code for code in range(0x300, 0x20000) if unicodedata.category(chr(code))[0] == "M") + (
    "\\U000e0100-\\U000e01ef"
)
# Digits are left out: a number is one word in every script.
LETTERS = _members(LETTER_BLOCKS, without="PMNZS") + "\u3007"
EMOJI = _members(EMOJI_BLOCKS, without="P")
# The inside of the character class of all that may begin a unit.
UNSPACED = LETTERS + EMOJI

_THAI = f"[\u0e40-\u0e44]?[\u0e01-\u0e2e][{MARKS}]*[\u0e30\u0e32\u0e33\u0e45]?[{MARKS}]*"
_LAO = f"[\u0ec0-\u0ec4]?[\u0e81-\u0eae\u0edc-\u0edf][{MARKS}]*[\u0eb0\u0eb2\u0eb3\u0ebd]?[{MARKS}]*"
_BURMESE_LETTER = "[\u1000-\u102a\u103f\u1050-\u1055\u105a-\u105d\u1075-\u1081\uaa60-\uaa76]"
# A consonant that is silenced, or under which another is stacked, ends the syllable before it.
_BURMESE = (
    f"{_BURMESE_LETTER}(?:[{MARKS}]|(?<=\u1039){_BURMESE_LETTER})*"
    f"(?:{_BURMESE_LETTER}(?:\u1037?\u103a|\u1039{_BURMESE_LETTER})[{MARKS}]*)*"
)
_KHMER = f"[\u1780-\u17b3](?:[{MARKS}]|(?<=\u17d2)[\u1780-\u17b3])*"
_SMALL_KANA = "ぁぃぅぇぉゃゅょゎァィゥェォャュョヮー\u31f0-\u31ff\uff67-\uff6e\uff70\uff9e\uff9f"
_KANA = f"[\u3041-\u30ff\uff66-\uff9d][{MARKS}{_SMALL_KANA}]*"
_FLAG = "[\U0001f1e6-\U0001f1ff]{2}"
# Presentation, keycap, skin tone, and the tags of the flags of regions; "\u200d" joins several to one.
_MODIFIED = f"[{EMOJI}][\ufe0e\ufe0f\u20e3\U0001f3fb-\U0001f3ff\U000e0020-\U000e007f]*"
_EMOJI = f"{_MODIFIED}(?:\u200d{_MODIFIED})*"

# A regular expression of one unit.
UNIT = (
    f"(?=[{UNSPACED}])(?:{'|'.join((_THAI, _LAO, _BURMESE, _KHMER, _KANA, _FLAG, _EMOJI, f'[{LETTERS}][{MARKS}]*'))})"
)
_UNSPACED = re.compile(f"[{UNSPACED}]")


def is_unspaced(text: str) -> bool:
    """Whether ``text`` begins with a unit."""
    return _UNSPACED.match(text) is not None


def has_unspaced(text: str) -> bool:
    """Whether a unit is anywhere in ``text``."""
    return not text.isascii() and _UNSPACED.search(text) is not None

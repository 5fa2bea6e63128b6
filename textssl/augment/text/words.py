r"""Words of a text: where BERT's basic tokenizer cuts, and between units of unspaced scripts, with the spacing kept.

BERT's rule (Devlin et al., 2019, arXiv:1810.04805): whitespace separates words; a punctuation
character (ASCII punctuation and symbols, or Unicode category P) and a CJK ideograph are each a word
of their own; control and zero-width characters are dropped by the tokenizer, so they never separate
anything: ``"a\x1cb"`` is one word.

By that rule a sentence in Thai, in kana or of emoji is one word, of which nothing could be replaced. So here each
unit of such a script (:mod:`textssl.augment.text.scripts`) is a word; :func:`bert_words` gives BERT's.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterable, Sequence
from functools import cache, lru_cache

from .scripts import PUNCTUATION, UNIT, UNSPACED, has_unspaced, is_unspaced


__all__ = ["SplitText", "bert_words", "normalize_word", "split_words", "stands_alone"]

# Whitespace of the tokenizer. str.isspace() would add \x0b, \x0c, \x1c-\x1f and \x85, which it
# drops.
SPACES = "\t\n\r \xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
# Characters that the tokenizer drops. Rarer ones of category C may stay inside a word: that joins,
# never cuts.
DROPPED = "\\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\xad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff\ufffd"
# U+2B820 to U+2B91F are missing on purpose: tokenizers in Rust and in Python disagree about them.
IDEOGRAPHS = (
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002a6df\U0002a700-\U0002b81f"
    "\U0002b920-\U0002ceaf\U0002f800-\U0002fa1f"
)


@cache
def _word(unspaced: str, unit: str) -> re.Pattern[str]:
    """Compiled on first use: it takes longer than the rest of this package takes to import."""
    alone = "".join(map(re.escape, sorted(PUNCTUATION))) + IDEOGRAPHS
    inner = f"[^{SPACES}{DROPPED}{alone}{unspaced}]"
    return re.compile(
        # The first two alternatives say nothing new; they decide most words of an English text
        # sooner.
        "([0-9A-Za-z]++(?=[ .,])"
        f"|[{re.escape(string.punctuation)}]"
        f"|(?:[0-9A-Za-z]++|{inner})(?:[0-9A-Za-z]++|[{DROPPED}]*{inner})*+"
        f"|[{alone}]{unit})"
    )


# The same cut for texts in ASCII, where a third of the time is spent.
_ASCII_DROPPED = "\\x00-\x08\x0b\x0c\x0e-\x1f\x7f"
_ASCII_WORD = re.compile(
    # As above, the first alternative only saves time.
    f"([0-9A-Za-z]++(?![{_ASCII_DROPPED}])|[{re.escape(string.punctuation)}]"
    f"|[0-9A-Za-z]++(?:[{_ASCII_DROPPED}]++[0-9A-Za-z]++)*+)"
)
_SPACE = re.compile(f"[{SPACES}]")
_DROPPED = re.compile(f"[{DROPPED}]+")
_IDEOGRAPH = re.compile(f"[{IDEOGRAPHS}]")


class SplitText(str):
    """A text that remembers its words; in all else a ``str``.

    The cut can never be stale: every operation that changes the text (slicing, ``lower``, ``+``)
    gives a plain ``str``.

    Args:
        text: any text; it is cut by the rule of :func:`split_words`.

    Raises:
        TypeError: ``text`` is not a ``str``.

    Example:
        >>> SplitText("Good,  bad").pieces
        ('', 'Good', '', ',', '  ', 'bad', '')
    """

    __slots__ = ("_pieces",)
    _pieces: tuple[str, ...]

    def __new__(cls, text: str) -> SplitText:
        """Cut ``text``."""
        if not isinstance(text, str):
            raise TypeError(f"text: got {type(text).__name__}; expected str")
        return cls._from_pieces(text, _cut(text))

    @classmethod
    def _from_pieces(cls, text: str, pieces: Iterable[str]) -> SplitText:
        split = super().__new__(cls, text)
        split._pieces = tuple(pieces)
        return split

    @property
    def pieces(self) -> tuple[str, ...]:
        """The text in 2 L + 1 pieces: a separator, then L times a word and a separator.

        A separator may be empty; it holds only what the tokenizer turns into no token. Joined, the
        pieces are the text.
        """
        return self._pieces

    @property
    def words(self) -> tuple[str, ...]:
        """The L words, as they are written in the text."""
        return self._pieces[1::2]

    def with_words(self, positions: Sequence[int], words: Sequence[str]) -> SplitText:
        """The text with other words at some positions; spacing and all other words stay.

        A space is added where two words would grow together: ``"don't"`` with ``"so"`` for the
        apostrophe is ``"don so t"``.

        Args:
            positions: which words, each in 0..L-1.
            words: as many words to put there, each one word by the rule of :func:`split_words`.

        Raises:
            ValueError: unequal lengths, a position outside the text, or what is not exactly one
                word.
        """
        if len(positions) != len(words):
            raise ValueError(f"words: got {len(words)} for {len(positions)} positions")
        count = len(self._pieces) // 2
        for position in positions:
            if not 0 <= position < count:
                raise ValueError(f"positions: got {position}; the text has {count} words")
        for word in words:
            if _cut(word) != ["", word, ""]:
                raise ValueError(f"words: got {word!r}; expected exactly one word")
        return self._with_known_words(positions, words)

    def _with_known_words(self, positions: Sequence[int], words: Iterable[str]) -> SplitText:
        inner = list(self._pieces[1::2])
        for position, word in zip(positions, words, strict=True):
            inner[position] = word
        return SplitText._of_words(inner, self._pieces[::2])

    @classmethod
    def _of_words(cls, words: Sequence[str], separators: Sequence[str]) -> SplitText:
        """A text of L words between L + 1 separators, with a space added where two words would grow together."""
        pieces = [""] * (2 * len(words) + 1)
        pieces[::2] = separators
        pieces[1::2] = words
        # Two words touch only where one stood alone or was a unit, or does so no more.
        for gap, separator in enumerate(pieces[2:-1:2], 1):
            if separator == " " or words[gap] in PUNCTUATION or words[gap - 1] in PUNCTUATION:
                continue
            if not (_SPACE.search(separator) or _may_touch(words[gap - 1], separator, words[gap])):
                pieces[2 * gap] = separator + " "
        return cls._from_pieces("".join(pieces), pieces)

    def __reduce__(self) -> tuple[type[SplitText], tuple[str]]:
        return SplitText, (str(self),)


def split_words(text: str, last: int | None = None) -> SplitText:
    """Cut a text into words, by the rule of this module.

    Args:
        text: any text.
        last: keep only the last so many words of :func:`bert_words`, without what stands before
            them: a word piece may span several units. The time then depends on ``last`` and not on
            the text. ``None``: the whole text.

    Raises:
        TypeError: ``text`` is not a ``str``.
        ValueError: ``last`` is below 1.
    """
    if last is None:
        return text if isinstance(text, SplitText) else SplitText(text)
    if last < 1:
        raise ValueError(f"last: got {last}; expected at least 1, or None for the whole text")
    if isinstance(text, SplitText) and not has_unspaced(text):
        pieces = list(text.pieces)
    else:
        # A field between two spaces holds a word, unless spaces follow each other.
        fields = text.rsplit(" ", last + 1)
        pieces = _bert_cut(text[len(fields[0]) :]) if len(fields) == last + 2 else _bert_cut(text)
        if len(fields) == last + 2 and len(pieces) // 2 < last:
            pieces = _bert_cut(text)
    pieces = ["", *pieces[1:][-2 * last :]]
    end = "".join(pieces)
    return SplitText._from_pieces(end, _cut(end) if has_unspaced(end) else pieces)


def bert_words(text: SplitText) -> tuple[str, ...]:
    """The words by BERT's rule alone, where a run of units is one word or a part of one."""
    return tuple(_bert_cut(text)[1::2]) if has_unspaced(text) else text.words


def normalize_word(word: str) -> str:
    """The form under which a word is counted: lower case, without dropped characters.

    Accents are kept, so that an inserted word is still spelt right.
    """
    # The joiner within an emoji is such a character; without it there would be several.
    return word.lower() if is_unspaced(word) else _DROPPED.sub("", word.lower())


def _cut(text: str) -> list[str]:
    return (_ASCII_WORD if text.isascii() else _word(UNSPACED, f"|{UNIT}")).split(text)


def _bert_cut(text: str) -> list[str]:
    return (_ASCII_WORD if text.isascii() else _word("", "")).split(text)


@lru_cache(maxsize=65_536)
def _may_touch(left: str, separator: str, right: str) -> bool:
    """Whether two words with no space between them are still cut there."""
    if stands_alone(left) or stands_alone(right):
        return True
    return (is_unspaced(left) or is_unspaced(right)) and _cut(left + separator + right)[1:-1] == [
        left,
        separator,
        right,
    ]


def stands_alone(word: str) -> bool:
    """Whether ``word`` is one punctuation character or one ideograph."""
    return len(word) == 1 and (word in PUNCTUATION or _IDEOGRAPH.match(word) is not None)

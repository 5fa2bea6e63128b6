"""Cut a text into pieces that a sentence translator can take, without losing a character.

UDA translates sentences, not paragraphs, and cuts what is still 300 characters or longer at full
stops, semicolons, commas and spaces (Xie et al., 2019, arXiv:1904.12848, and its published
preprocessing). The cutter here needs no trained model: it goes by punctuation, with a short list of
abbreviations.
"""

from __future__ import annotations

import re

from ...errors import UserError


__all__ = ["cut"]

_PARAGRAPH = re.compile(r"\n\s*\n")
# Quotes are straight, curly and angled; the second kind of full stop is the ideographic one.
_ENDING = re.compile(
    # Possessive, and only from the start of a run: a line of 10,000 dots takes linear time.
    "(?<![.!?\u2026])[.!?\u2026]++[\"'\u201d\u2019\u00bb)\\]]*+\\s+|[\u3002\uff01\uff1f]++[\u300d\u300f\u201d]*+\\s*"
)
_OPENING = "\"'\u201c\u2018\u00ab([\u00bf\u00a1"
_ABBREVIATIONS = frozenset(
    """mr mrs ms dr prof st sr jr rev gen sen rep gov capt lt sgt col messrs mme mlle vol fig al
    approx vs e.g i.e cf ed eds inc ltd corp dept jan feb aug sept oct nov dec""".split()  # noqa: SIM905
)
_INITIALS = re.compile(r"(?:[^\W\d_]\.)*[A-Z]")


def cut(text: str, max_chars: int = 300) -> list[str]:
    """Sentences of a text, each shorter than ``max_chars``.

    ``" ".join(cut(text))`` is the text with every run of whitespace made one space, except that a
    run of ``max_chars`` or more characters without any whitespace, or ideographs without a space
    between sentences, gain a space where they are cut. No other character is added, lost or moved.

    Args:
        text: any text; an empty one has no pieces.
        max_chars: a piece of this many characters or more is cut again: after the last full stop
            before a space, else the last semicolon, comma, or space, and in the middle of a word
            only if it has none.

    Raises:
        UserError: if ``max_chars`` is less than 2.

    >>> cut('Dr. Strangelove is great. "Really?" Yes!')
    ['Dr. Strangelove is great.', '"Really?"', 'Yes!']
    """
    if max_chars < 2:
        raise UserError(f"max_chars: got {max_chars}; expected at least 2")
    pieces = []
    for paragraph in _PARAGRAPH.split(text):
        for sentence in _sentences(" ".join(paragraph.split())):
            pieces += _shorten(sentence, max_chars)
    return pieces


def _sentences(line: str) -> list[str]:
    sentences, start = [], 0
    for ending in _ENDING.finditer(line):
        if _ends_sentence(line, start, ending):
            sentences.append(line[start : ending.end()].strip())
            start = ending.end()
    rest = line[start:].strip()
    return [*sentences, rest] if rest else sentences


def _ends_sentence(line: str, start: int, ending: re.Match[str]) -> bool:
    following = line[ending.end() : ending.end() + 9].lstrip(_OPENING)[:1]
    if following.islower():
        return False
    if ending.group().rstrip() != ".":
        return True
    word = line[start : ending.start()].rsplit(" ", 1)[-1].lstrip(_OPENING)
    return word.lower() not in _ABBREVIATIONS and not _INITIALS.fullmatch(word)


def _shorten(sentence: str, max_chars: int) -> list[str]:
    pieces = []
    while len(sentence) >= max_chars:
        # One character more than a piece may have, for the space after its last word.
        window = sentence[:max_chars]
        ends = (window.rfind(mark) + len(mark) for mark in (". ", "; ", ", ", " ") if mark in window)
        end = next(ends, max_chars - 1)
        pieces.append(sentence[:end].rstrip())
        sentence = sentence[end:].lstrip()
    return [*pieces, sentence] if sentence else pieces

"""Which words of a text were taken out, put in or kept by a view of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import SequenceMatcher
from typing import Literal, NamedTuple


__all__ = ["Piece", "word_diff"]

# Scripts that put no blanks between words are compared character by character.
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_MARKS = "!-/:-@\\[-`{-~\u00a1\u00ab\u00bb\u00bf\u2010-\u2027\u2030-\u205e\u3001-\u301f\uff01-\uff0f\uff1a-\uff20"
_TOKEN = re.compile(
    rf"\s+|[{_UNSPACED}][\u0300-\u036f\u0e31\u0e34-\u0e3a\u0e47-\u0e4e]*|[{_MARKS}]|[^\s{_UNSPACED}{_MARKS}]+"
)


class Piece(NamedTuple):
    """A run of words.

    Attributes:
        change: ``"same"``, ``"removed"`` or ``"added"``.
        text: the words, with the blanks between them.
    """

    change: Literal["same", "removed", "added"]
    text: str


def word_diff(before: str, after: str) -> list[Piece]:
    """How ``before`` became ``after``.

    The pieces that are not added make up ``before``, those that are not removed ``after``, but for blanks: those that
    differ are shown as they are in ``after``.

    Examples:
        >>> [tuple(piece) for piece in word_diff("a good film", "a fine film")]
        [('same', 'a '), ('removed', 'good'), ('added', 'fine'), ('same', ' film')]
    """
    old, new = _TOKEN.findall(before), _TOKEN.findall(after)
    matcher = SequenceMatcher(None, _blanks_alike(old), _blanks_alike(new), autojunk=False)
    return list(_joined(_pieces(matcher, old, new)))


def _blanks_alike(tokens: list[str]) -> list[str]:
    return [token if token.strip() else " " for token in tokens]


def _pieces(matcher: SequenceMatcher[str], old: list[str], new: list[str]) -> Iterator[Piece]:
    for change, i, j, k, m in matcher.get_opcodes():
        if change == "equal":
            yield Piece("same", "".join(new[k:m]))
            continue
        removed, added = "".join(old[i:j]), "".join(new[k:m])
        if removed:
            yield Piece("removed", removed)
        if added:
            yield Piece("added", added)


def _joined(pieces: Iterator[Piece]) -> Iterator[Piece]:
    """Changes with nothing but a blank between them, as one: "a b" for "c d" and not word by word."""
    removed = added = blank = ""
    for change, text in pieces:
        if change == "removed":
            removed, added, blank = removed + blank + text, added + blank, ""
        elif change == "added":
            removed, added, blank = removed + blank, added + blank + text, ""
        elif not text.strip() and (removed or added) and not blank:
            blank = text
        else:
            yield from _changed(removed, added)
            yield Piece("same", blank + text)
            removed = added = blank = ""
    yield from _changed(removed, added)
    if blank:
        yield Piece("same", blank)


def _changed(removed: str, added: str) -> Iterator[Piece]:
    """Both, without the blanks around them, which are not marked."""
    pieces: list[Piece] = []
    if removed.strip():
        pieces.append(Piece("removed", removed.strip()))
    if added.strip():
        pieces.append(Piece("added", added.strip()))
    around = added or removed
    before, after = around[: len(around) - len(around.lstrip())], around[len(around.rstrip()) :]
    if before:
        yield Piece("same", before)
    yield from pieces
    if after and pieces:
        yield Piece("same", after)

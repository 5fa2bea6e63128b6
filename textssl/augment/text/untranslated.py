r"""What a translator must leave alone: the breaks between lines, and handles, hashtags, links and addresses.

A translator takes a line break for a space, so that a heading melts into the sentence below it, and a name such as
``@united`` for a word.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from .special_tokens import COMMON


__all__ = ["cut_lines", "hide_names", "join_lines", "names_lost", "show_names"]

_SPACES = re.compile(r"\s+")
_BREAK = re.compile("[\t\n\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
_ENDINGS = ".!?:;\u2026"
_DOMAIN = r"(?:com|org|net|edu|gov|mil|int|info|biz|io|co|me|tv|ly|gl|be|uk|de|fr|es|it|nl|eu|ca|au|us|in|jp|cn|br|ru)"
# A full stop or a closing bracket after a link ends the sentence, not the link.
_LINK_END = r"(?<![.,;:!?'\"…»\u201d\u2019)\]}])"
_NAME = re.compile(
    rf"(?:https?|ftp)://[^\s<>]+{_LINK_END}"
    rf"|(?<!\w)www\.[^\s<>]+{_LINK_END}"
    r"|(?<![\w.+-])[\w.+-]+@[\w-]+(?:\.[\w-]+)*\.\w+"
    rf"|(?<![\w@./-])(?:[a-zA-Z0-9-]+\.)+{_DOMAIN}(?!\w)(?:/[^\s<>]*{_LINK_END})?"
    r"|(?<![\w@/])@\w+(?:@[\w-]+(?:\.[\w-]+)+)?"
    r"|(?<![\w&#/])#\w+"
    rf"|{COMMON}"
)
# Characters of the private use area, which no alphabet has: Apertium passes them on where they stand.
_PLACEHOLDERS = tuple(map(chr, range(0xE000, 0xE200)))
_PLACEHOLDER = re.compile(f"[{_PLACEHOLDERS[0]}-{_PLACEHOLDERS[-1]}]")


def cut_lines(text: str) -> tuple[list[str], list[str]]:
    """The L lines of a text, and the L + 1 separators around them.

    A separator is whitespace that holds a line break or a tab, or is longer than a space and stands after a sentence,
    or stands at an end of the text, where it may be empty. Joined in turn they are the text.
    """
    lines, separators, start = [], [], 0
    for found in _SPACES.finditer(text):
        first, last = found.span()
        if first == 0:
            separators.append(found.group())
            start = last
        elif last == len(text) or _BREAK.search(found.group()) or (last > first + 1 and text[first - 1] in _ENDINGS):
            separators += [found.group()] if separators else ["", found.group()]
            lines.append(text[start:first])
            start = last
    separators = separators or [""]
    if start < len(text):
        lines.append(text[start:])
        separators.append("")
    return lines, separators


def join_lines(lines: Sequence[str], separators: Sequence[str]) -> str:
    """A text of L lines and the L + 1 separators around them."""
    pieces = [""] * (len(lines) + len(separators))
    pieces[::2] = separators
    pieces[1::2] = lines
    return "".join(pieces)


def hide_names(line: str) -> tuple[str, dict[str, str]]:
    """Put one character in place of each handle, hashtag, link, address and special token.

    Returns:
        The line, and what each of those characters stands for. Of more than 512 the rest stays.
    """
    free = iter([character for character in _PLACEHOLDERS if character not in line])
    hidden: dict[str, str] = {}

    def hide(found: re.Match[str]) -> str:
        character = next(free, None)
        if character is None:
            return found.group()
        hidden[character] = found.group()
        return character

    return _NAME.sub(hide, line), hidden


def show_names(line: str, hidden: dict[str, str]) -> str | None:
    """The line with the names back in their places; ``None`` if one is missing or stands there twice."""
    if any(line.count(character) != 1 for character in hidden):
        return None
    return _PLACEHOLDER.sub(lambda found: hidden.get(found.group(), found.group()), line)


def names_lost(original: str, translation: str) -> bool:
    """Whether a handle, hashtag, link, address or special token of ``original`` is missing."""
    needed = Counter(found.group() for found in _NAME.finditer(original))
    return any(translation.count(name) < count for name, count in needed.items())

"""Text of any origin as a page shows it: no character is hidden, and none reorders its neighbors."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

from markupsafe import Markup


__all__ = ["cut", "preview", "visible"]

# Controls of C0 and C1 besides tab and line feed, embeddings and overrides of direction, line separators, halves of
# surrogate pairs, and code points that are no characters.
_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u2028\u2029\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]"
)
# Where a text must not be cut: before joiners, variation selectors and what follows them.
_JOINERS = "\u200d\ufe0e\ufe0f"


def visible(value: Any) -> Any:
    """``value``, with characters that are unseen or that reorder text replaced by their numbers, such as [U+202E]."""
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    return _HIDDEN.sub(lambda match: f"[U+{ord(match[0]):04X}]", value.replace("\r\n", "\n"))


def cut(text: str, length: int) -> str:
    """At most about ``length`` characters of ``text``, with an ellipsis where some are left out."""
    return text if len(text) <= length else preview(text, length) + "\u2026"


def preview(text: str, length: int) -> str:
    """The beginning of ``text``, at most ``length`` characters, to the end of a word if one ends near there."""
    if len(text) <= length:
        return text
    end = length
    while end > 1 and (unicodedata.combining(text[end]) or text[end] in _JOINERS or text[end - 1] == "\u200d"):
        end -= 1
    blank = max(text.rfind(" ", 0, end), text.rfind("\n", 0, end))
    return text[: blank if blank > 0.8 * length else end].rstrip()

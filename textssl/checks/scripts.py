"""In which script a text is written, by the blocks of Unicode."""

from __future__ import annotations

import re
from collections import Counter


__all__ = ["scripts_in"]

BLOCKS = {
    "Latin": "A-Za-z\u00aa\u00ba\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u1e00-\u1eff\uff21-\uff3a\uff41-\uff5a",
    "Greek": "\u0370-\u03ff\u1f00-\u1fff",
    "Cyrillic": "\u0400-\u052f\u1c80-\u1c8f\u2de0-\u2dff",
    "Armenian": "\u0530-\u058f",
    "Hebrew": "\u0590-\u05ff",
    "Arabic": "\u0600-\u06ff\u0750-\u077f\u08a0-\u08ff\ufb50-\ufdff\ufe70-\ufeff",
    "Devanagari": "\u0900-\u097f",
    "Bengali": "\u0980-\u09ff",
    "Tamil": "\u0b80-\u0bff",
    "Telugu": "\u0c00-\u0c7f",
    "Thai": "\u0e00-\u0e7f",
    "Georgian": "\u10a0-\u10ff",
    "Hangul": "\u1100-\u11ff\u3130-\u318f\uac00-\ud7af",
    "Kana": "\u3040-\u30ff\u31f0-\u31ff\uff66-\uff9f",
    "Han": "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f",
}
FINDERS = {name: re.compile(f"[{block}]") for name, block in BLOCKS.items()}
LETTER = re.compile(r"[^\W\d_]")


def scripts_in(text: str) -> Counter[str]:
    """Number of letters of each script; ``"other"`` for letters of none that is known here."""
    if text.isascii():
        letters = len(FINDERS["Latin"].findall(text))
        return Counter({"Latin": letters} if letters else {})
    found = Counter({name: len(finder.findall(text)) for name, finder in FINDERS.items()})
    found["other"] = max(0, len(LETTER.findall(text)) - found.total())
    return +found

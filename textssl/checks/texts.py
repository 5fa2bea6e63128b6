"""What is odd about single texts: blank, short, in another script, with remains of HTML or of a wrong encoding."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace

from .finding import KEPT, LEFT_OUT, REFUSED, Example, Finding, counted
from .part import Part
from .scripts import scripts_in


__all__ = ["text_findings"]

TAGS = re.compile(
    r"</?(?:a|b|br|div|em|font|h[1-6]|hr|i|img|li|ol|p|script|span|strong|style|table|td|th|tr|u|ul)\b[^<>]*>"
    r"|&(?:amp|lt|gt|quot|nbsp|apos|#\d{1,6}|#x[0-9a-f]{1,6});",
    re.IGNORECASE,
)
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b\u2028\u2029\ufeff]")
LOST = re.compile("\ufffd")
# Letters of UTF-8 that was read as Windows-1252.
GARBLED = re.compile("[\u00c2\u00c3][\u0080-\u00bf\u0152-\u2122]|\u00e2\u20ac|\u00f0\u0178")
# Fewer letters and digits than this say little.
SHORT = 5
# Letters that are shown before what is odd.
BEFORE = 20
# Of the texts of a part: another script than that of most.
OTHER_SCRIPT = 0.01
# Of the letters of a text: a second script.
MIXED = 0.2


def text_findings(part: Part) -> Iterator[Finding]:
    """All of them of one part."""
    yield from _absent(part)
    as_it_is = f"{KEPT}, as they are"
    for kind, message, advice, holds in (
        ("html", "hold tags or entities of HTML", "take the text out of the HTML", _searching(TAGS)),
        ("control characters", "hold control characters", "remove them", _searching(CONTROL)),
        (
            "replacement characters",
            "hold \ufffd, where a character was lost",
            "read the source again",
            _searching(LOST),
        ),
        ("mojibake", "look like UTF-8 that was read as Windows-1252", "save the file in UTF-8 again", _mojibake),
        ("short texts", f"have fewer than {SHORT} letters", "see whether they are meant to be", _short),
    ):
        places = {row: holds(text) for row, text in enumerate(part.texts) if text and not text.isspace()}
        rows = [row for row, place in places.items() if place >= 0]
        if rows:
            found = f"{counted(len(rows), len(part), 'text')} {message}"
            # What is odd may stand far from the beginning of a text.
            examples = tuple(_from(example, places[example.row]) for example in part.examples(rows))
            yield Finding(kind, part.name, found, as_it_is, as_it_is, advice, len(rows), len(part), examples)
    yield from _scripts(part)


def _absent(part: Part) -> Iterator[Finding]:
    """Texts that are missing or blank."""
    missing = [row for row, text in enumerate(part.texts) if text is None]
    blank = [row for row, text in enumerate(part.texts) if text is not None and not text.strip()]
    fit = LEFT_OUT if part.name != "validation" else ""
    advice = "leave these rows out"
    if missing:
        yield Finding(
            "missing texts", part.name, f"{counted(len(missing), len(part), 'row')} have no text", fit, REFUSED,
            advice, len(missing), len(part), part.examples(missing),
        )  # fmt: skip
    if blank:
        train = REFUSED if part.name == "labeled" else f"{KEPT}, with a warning"
        yield Finding(
            "blank texts", part.name, f"{counted(len(blank), len(part), 'text')} are blank", fit, train, advice,
            len(blank), len(part), part.examples(blank),
        )  # fmt: skip


def _scripts(part: Part) -> Iterator[Finding]:
    main: Counter[str] = Counter()
    rows: dict[str, list[int]] = {}
    mixed = []
    for row, text in enumerate(part.texts):
        letters = scripts_in(text or "")
        if not letters:
            continue
        if letters["Kana"]:
            # Japanese is written in both.
            letters["Kana"] += letters.pop("Han", 0)
        (first, _), *others = letters.most_common(2)
        main[first] += 1
        rows.setdefault(first, []).append(row)
        if others and others[0][1] > MIXED * letters.total():
            mixed.append(row)
    kept = f"{KEPT}: the tokenizer has to know these letters"
    usual = main.most_common(1)[0][0] if main else ""
    for script, count in main.most_common()[1:]:
        if count > OTHER_SCRIPT * len(part):
            yield Finding(
                "scripts", part.name, f"{count:,} of {len(part):,} texts are in {script} letters, most in {usual}",
                kept, kept, "take an encoder of several languages", count, len(part), part.examples(rows[script]),
            )  # fmt: skip
    if len(mixed) > OTHER_SCRIPT * len(part):
        yield Finding(
            "mixed scripts", part.name, f"{counted(len(mixed), len(part), 'text')} mix letters of two scripts",
            kept, kept, "", len(mixed), len(part), part.examples(mixed),
        )  # fmt: skip


def _searching(pattern: re.Pattern[str]) -> Callable[[str], int]:
    """What says where a pattern begins; -1 for nowhere."""

    def place(text: str) -> int:
        found = pattern.search(text)
        return -1 if found is None else found.start()

    return place


def _mojibake(text: str) -> int:
    """Where remains of UTF-8 stand that, read as such, give a text; -1 for nowhere."""
    if GARBLED.search(text) is None:
        return -1
    for garbled in re.finditer(r"[^\x00-\x7f]+", text):
        try:
            garbled[0].encode("cp1252").decode("utf-8")
        except UnicodeError:
            continue
        return garbled.start()
    return -1


def _short(text: str) -> int:
    # In Chinese a letter is a word.
    few = sum(map(str.isalnum, text)) < SHORT and scripts_in(text).keys() <= {"Latin", "Greek", "Cyrillic"}
    return 0 if few else -1


def _from(example: Example, place: int) -> Example:
    """An example whose text begins shortly before a place."""
    start = max(0, place - BEFORE)
    return replace(example, content=f"...{example.content[start:]}") if start else example

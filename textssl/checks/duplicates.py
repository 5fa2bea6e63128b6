"""The same example twice: within a part, with other labels, in parts that must not share any."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ..data.image_tables import image_digests
from ..errors import UserError
from .finding import KEPT, Finding
from .part import Part


__all__ = ["Keys", "keys_of", "leaks", "repeats"]

NO_WORD = re.compile(r"[\W_]+")


@dataclass(frozen=True)
class Keys:
    """What rows are compared by; "" for rows that equal no other.

    Attributes:
        exact: as training compares them: texts without the space around them, images by their content.
        near: texts without case, punctuation and spaces.
    """

    exact: Sequence[str]
    near: Sequence[str]


def keys_of(part: Part) -> Keys:
    """Of all rows of a part."""
    if part.data.modality == "image":
        try:
            digests = image_digests(part.data.rows, part.data.column).to_pylist()
        except UserError:
            digests = [""] * len(part)
        return Keys(digests, [""] * len(part))
    texts = [(text or "").strip() for text in part.texts]
    return Keys(texts, [_near(text) for text in texts])


def _near(text: str) -> str:
    return NO_WORD.sub(" ", unicodedata.normalize("NFKC", text).casefold()).strip()


def repeats(part: Part, keys: Keys) -> Iterator[Finding]:
    """Examples that stand twice in a part, with the same label or with others."""
    labels, total, noun = part.labels, len(part), _noun(part)
    twins = _earlier(keys.exact)
    same = [row for row, first in twins.items() if labels[row] == labels[first]]
    yield from _contradictions(part, keys.exact, f"the same {noun} has different labels", "contradictions")
    if same:
        counts = "each counts as a label of its own" if part.name == "labeled" else "as they are"
        yield Finding(
            "duplicates", part.name, f"{len(same):,} of {total:,} {noun}s repeat an earlier one",
            f"{KEPT}: {counts}", f"{KEPT}: {counts}", "leave the copies out if they are no accident of sampling",
            len(same), total, part.examples(_pairs(same, twins)),
        )  # fmt: skip
    close = {row: first for row, first in _earlier(keys.near).items() if row not in twins}
    if close:
        different = f"{KEPT}: they are different {noun}s to training"
        yield Finding(
            "near duplicates", part.name,
            f"{len(close):,} of {total:,} {noun}s differ from an earlier one by case, spaces or punctuation only",
            different, different, "leave the copies out if they come from one source",
            len(close), total, part.examples(_pairs(list(close), close)),
        )  # fmt: skip
    either = {*close, *close.values()}
    near = [key if row in either else "" for row, key in enumerate(keys.near)]
    message = f"{noun}s that differ by case, spaces or punctuation only have different labels"
    yield from _contradictions(part, near, message, "near contradictions")


def _contradictions(part: Part, keys: Sequence[str], message: str, kind: str) -> Iterator[Finding]:
    found: dict[str, set[str | None]] = {}
    for key, label in zip(keys, part.labels, strict=True):
        if key and label is not None:
            found.setdefault(key, set()).add(label)
    groups = {key for key, labels in found.items() if len(labels) > 1}
    rows = [row for row, key in enumerate(keys) if key in groups and part.labels[row] is not None]
    if rows:
        first = {key: row for row, key in reversed([*enumerate(keys)])}
        rows.sort(key=lambda row: first[keys[row]])
        yield Finding(
            kind, part.name, f"{message}: {len(rows):,} rows ({len(groups):,} of them different)",
            f"{KEPT}, all of them", f"{KEPT}, all of them", "decide on one label, or leave these rows out",
            len(rows), len(part), part.examples(rows),
        )  # fmt: skip


def leaks(part: Part, keys: Keys, other: Part, others: Keys) -> Iterator[Finding]:
    """Rows of one part that also stand in another.

    Args:
        part: the one, held-out where one of them is.
        keys: of its rows.
        other: what training sees.
        others: keys of its rows.
    """
    known = {*others.exact} - {""}
    rows = [row for row, key in enumerate(keys.exact) if key in known]
    noun, total = _noun(part), len(part)
    if part.name == "unlabeled":
        if rows:
            kept = f"{KEPT}: harmless, their labels are not seen twice"
            yield Finding(
                "shared", part.name, f"{len(rows):,} of {total:,} {noun}s are also in {other.name}", kept, kept, "",
                len(rows), total, part.examples(rows),
            )  # fmt: skip
        return
    fit, train = _leak_actions(part)
    advice = f"leave these rows out of {other.name} or of {part.name}"
    if rows:
        yield Finding(
            "leaks", part.name, f"{len(rows):,} of {total:,} {noun}s are also in {other.name}", fit, train, advice,
            len(rows), total, part.examples(rows),
        )  # fmt: skip
    close = {*others.near} - {""}
    near = [row for row in np.setdiff1d(np.arange(total), rows) if keys.near[row] in close]
    if near:
        yield Finding(
            "near leaks", part.name,
            f"{len(near):,} of {total:,} {noun}s are in {other.name} but for case, spaces or punctuation",
            fit, train, advice, len(near), total, part.examples(near),
        )  # fmt: skip


def _leak_actions(part: Part) -> tuple[str, str]:
    high = f"{KEPT}: the score on {part.name} may be too high"
    return (high if part.name == "test" else ""), high


def _earlier(keys: Sequence[str]) -> dict[int, int]:
    """Rows whose key stood before, and the first row that has it."""
    first: dict[str, int] = {}
    found = {}
    for row, key in enumerate(keys):
        if key and first.setdefault(key, row) != row:
            found[row] = first[key]
    return found


def _pairs(rows: Sequence[int], twins: dict[int, int]) -> list[int]:
    """The first repeated row after the one that it repeats."""
    return [twins[rows[0]], *rows]


def _noun(part: Part) -> str:
    return part.data.modality

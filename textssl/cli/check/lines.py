"""What was found in data, as lines for a person."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from ...checks import CheckReport, Example, Finding
from ...checks.labels import class_counts
from ...checks.suspects import Suspect
from .refusals import Refusals


__all__ = ["report_lines", "shown"]

CLASSES = 20
SUSPECTS = 20
TEXT = 60


def report_lines(report: CheckReport, refused: Refusals, width: int) -> Iterator[str]:
    """Parts, notes, findings, suspects.

    Args:
        report: of the data.
        refused: what the programs would refuse.
        width: of a line.
    """
    for name, part in report.parts.items():
        yield f"{name}: {part.data.name}: {len(part):,} rows; {part.data.modality}s in {part.data.column!r}" + (
            f", labels in {part.data.label_column!r}" if part.data.label_column and name != "unlabeled" else ""
        )
        if name != "unlabeled" and (counts := class_counts(part)):
            listed = [f"{label} {count:,}" for label, count in list(counts.items())[:CLASSES]]
            more = f" and {len(counts) - CLASSES} more" if len(counts) > CLASSES else ""
            yield f"    {len(counts):,} classes: {', '.join(listed)}{more}"
        if name in report.tokens:
            tokens = report.tokens[name]
            yield (
                f"    tokens: median {tokens.median:,}, 95 % at most {tokens.high:,}, longest {tokens.longest:,}; "
                f"{_percent(tokens.truncated)} are cut at {tokens.max_length:,}"
            )
    yield from (f"note: {note}" for note in report.notes)
    # What is refused first; sorting keeps the order of the rest.
    for finding in sorted(report.findings, key=lambda finding: not finding.is_refused):
        yield ""
        yield from _finding(finding, width)
    if report.suspects is not None:
        yield ""
        yield from _suspects(report.suspects, width)
    yield ""
    for program, message in (("fit", refused.fit), ("train", refused.train)):
        yield f"textssl {program} takes these data" if message is None else f"textssl {program} refuses: {message}"


def _finding(finding: Finding, width: int) -> Iterator[str]:
    yield f"{finding.part}: {finding.message}"
    for example in finding.examples:
        yield f"    {_line(example, width - 4)}"
    if finding.fit == finding.train or not finding.fit:
        yield f"    training: {finding.train}"
    else:
        yield f"    textssl fit: {finding.fit}; textssl train: {finding.train}"
    if finding.advice:
        yield f"    you can: {finding.advice}"


def _line(example: Example, width: int) -> str:
    label = "" if example.label is None else f"  [{shown(example.label, 20)}]"
    return f"{example.place}: {shown(example.content, max(20, width - len(example.place) - len(label) - 2))}{label}"


def _suspects(suspects: list[Suspect], width: int) -> Iterator[str]:
    if not suspects:
        yield "labels: none is suspect: no row is predicted surely to be of another class"
        return
    yield f"labels: {len(suspects):,} may be wrong (predicted without the row, the least probable label first)"
    for suspect in suspects[:SUSPECTS]:
        place = f"row {suspect.row}" if suspect.line is None else f"line {suspect.line} (row {suspect.row})"
        says = (
            f"{suspect.label} {suspect.label_probability:.0%} -> {suspect.suggested} "
            f"{suspect.suggested_probability:.0%}"
        )
        yield f"    {place}: {says}: {shown(suspect.content, max(20, width - len(place) - len(says) - 8))}"
    if len(suspects) > SUSPECTS:
        yield f"    and {len(suspects) - SUSPECTS:,} more: -o FILE.csv writes all"
    yield "    training: kept; textssl methods dividemix is for labels some of which are wrong"
    yield "    you can: read these rows again before any others"


def shown(text: str, width: int) -> str:
    """A text on one line, in quotes, cut to a width; what would move the cursor is escaped."""
    letters = [letter if letter.isprintable() else repr(letter)[1:-1] for letter in " ".join(text.split(" "))]
    dots = ""
    if sum(map(len, letters)) > width:
        # Cut between letters: half of an escape would be another letter.
        ends = itertools.accumulate(map(len, letters))
        letters, dots = [letter for letter, end in zip(letters, ends, strict=True) if end <= width - 3], "..."
    return f"{''.join(letters)!r}{dots}".replace("\\\\", "\\")


def _percent(share: float) -> str:
    """With a decimal where it says something."""
    return f"{100 * share:.0f} %" if share in (0, 1) else f"{100 * share:.1f} %"

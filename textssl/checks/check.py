"""All checks of all parts."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from ..fit.parts import Columns
from .duplicates import Keys, keys_of, leaks, repeats
from .finding import Finding
from .images import image_findings
from .labels import class_counts, label_findings
from .part import Part, read_part
from .suspects import Suspect, find_suspects
from .texts import text_findings
from .tokens import TokenCounts, count_tokens, token_findings


__all__ = ["CheckReport", "check_data"]

PARTS = ("labeled", "unlabeled", "validation", "test")


@dataclass
class CheckReport:
    """What was found in a person's data.

    Attributes:
        parts: what was read, by name.
        notes: what was chosen while reading, in words.
        findings: in the order of the parts.
        tokens: lengths of the texts of each part; empty where no tokenizer was given.
        suspects: labels that may be wrong; ``None`` if nobody asked.
    """

    parts: dict[str, Part]
    notes: list[str]
    findings: list[Finding]
    tokens: dict[str, TokenCounts] = field(default_factory=dict)
    suspects: list[Suspect] | None = None

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        parts = {
            name: {
                "data": part.data.name,
                "rows": len(part),
                "modality": part.data.modality,
                "column": part.data.column,
                "label_column": None if name == "unlabeled" else part.data.label_column,
                "classes": {} if name == "unlabeled" else class_counts(part),
                "tokens": self.tokens[name].as_json() if name in self.tokens else None,
            }
            for name, part in self.parts.items()
        }
        suspects = None if self.suspects is None else [suspect.as_json() for suspect in self.suspects]
        findings = [finding.as_json() for finding in self.findings]
        return {"parts": parts, "notes": self.notes, "findings": findings, "suspects": suspects}


def check_data(
    data: Mapping[str, Any],
    columns: Columns | None = None,
    *,
    tokenizer: Any = None,
    max_length: int = 128,
    suspects_by: str | None = None,
    seed: int = 0,
) -> CheckReport:
    """Read data as training does, and look for what a person should know.

    Args:
        data: files, folders or data sets: ``"labeled"``, and perhaps ``"unlabeled"``, ``"validation"`` and ``"test"``.
        columns: that a person named; others are found.
        tokenizer: of the encoder, to count tokens; ``None`` counts none.
        max_length: most tokens of a text that training reads.
        suspects_by: an encoder by which labels that may be wrong are looked for; ``None`` does not look.
        seed: of the folds for that.

    Raises:
        UserError: data that cannot be read, or columns that cannot be told.
    """
    parts: dict[str, Part] = {}
    with _heard() as notes:
        for name in PARTS:
            if data.get(name) is not None:
                parts[name] = read_part(name, data[name], columns or Columns(), parts.get("labeled"))
                notes += parts[name].data.notes
    report = CheckReport(parts, list(dict.fromkeys(notes)), [])
    keys = {name: keys_of(part) for name, part in parts.items()}
    known = list(class_counts(parts["labeled"]))
    for name, part in parts.items():
        if name != "unlabeled":
            report.findings += label_findings(part, None if name == "labeled" else known)
        report.findings += image_findings(part) if part.data.modality == "image" else text_findings(part)
        report.findings += repeats(part, keys[name])
        report.findings += _leaks(part, parts, keys)
        if tokenizer is not None and part.data.modality == "text":
            counted = count_tokens(part, tokenizer, max_length)
            if counted is not None:
                report.tokens[name] = counted[0]
                report.findings += token_findings(part, *counted)
    if suspects_by is not None:
        report.suspects = find_suspects(parts["labeled"], suspects_by, max_length, seed)
    return report


def _leaks(part: Part, parts: Mapping[str, Part], keys: Mapping[str, Keys]) -> Iterator[Finding]:
    """What a part shares with those before it."""
    for name in PARTS[: PARTS.index(part.name)]:
        if name in parts:
            yield from leaks(part, keys[part.name], parts[name], keys[name])


@contextmanager
def _heard() -> Iterator[list[str]]:
    """Warnings of the reader as notes."""
    notes: list[str] = []

    class Notes(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            notes.append(" ".join(record.getMessage().split()).removesuffix("."))

    logger = logging.getLogger(__name__.partition(".")[0])
    kept, logger.handlers = logger.handlers, [Notes()]
    propagate, logger.propagate = logger.propagate, False
    try:
        yield notes
    finally:
        logger.handlers, logger.propagate = kept, propagate

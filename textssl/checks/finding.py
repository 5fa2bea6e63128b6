"""What was found in data, what training does about it, and what a person can do."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


__all__ = ["KEPT", "LEFT_OUT", "REFUSED", "Example", "Finding", "counted"]

KEPT, LEFT_OUT, REFUSED = "kept", "left out", "refused"


@dataclass(frozen=True)
class Example:
    """A row of a file.

    Attributes:
        part: which data it belongs to, such as ``"labeled"``.
        row: its number, from 0.
        line: of the file, from 1; ``None`` where rows have no lines.
        content: its text, or the name of its image.
        label: as it is written; ``None`` where there is none.
    """

    part: str
    row: int
    line: int | None
    content: str
    label: str | None = None

    @property
    def place(self) -> str:
        """Where a person finds it."""
        return f"row {self.row}" if self.line is None else f"line {self.line} (row {self.row})"


@dataclass(frozen=True)
class Finding:
    """Something that a person should know of the data.

    Attributes:
        kind: one word or two, for scripts.
        part: which data.
        message: what was found.
        fit: what ``textssl fit`` does: begins with ``kept``, ``left out`` or ``refused``; "" where it has no say.
        train: the same of ``textssl train``.
        advice: what a person can do; "" where nothing needs to be done.
        count: how many rows.
        total: of how many.
        examples: the first of them.
    """

    kind: str
    part: str
    message: str
    fit: str
    train: str
    advice: str = ""
    count: int = 0
    total: int = 0
    examples: tuple[Example, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    @property
    def is_refused(self) -> bool:
        """Whether a program refuses the data for it."""
        return REFUSED in (self.fit[: len(REFUSED)], self.train[: len(REFUSED)])


def counted(count: int, total: int, noun: str) -> str:
    """How many of something, as the subject of a sentence in the plural."""
    return f"{count:,} of {total:,} {noun}s"

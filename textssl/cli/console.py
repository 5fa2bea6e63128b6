"""What a command prints: results to standard output, everything else to standard error."""

from __future__ import annotations

import json
import math
import os
import shlex
import shutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from ..secrets import environment_tokens, redacted


__all__ = ["Progress", "is_terminal", "next_step", "print_json", "progress", "result", "say", "table", "width"]

# Seconds between the lines that take the place of a bar in a log.
BETWEEN_LINES = 10.0


class Progress(Protocol):
    """How far something is."""

    def advance(self, count: int = 1) -> None:
        """Count what was done since the last call."""


def say(text: str) -> None:
    """Print to standard error, on the first process."""
    if _is_first():
        print(redacted(text, environment_tokens()), file=sys.stderr, flush=True)


def result(text: str) -> None:
    """Print what was asked for to standard output, on the first process."""
    if _is_first():
        print(text, flush=True)


def print_json(document: Any) -> None:
    """Print one JSON document to standard output, on the first process; what is no number is null."""
    utf = (sys.stdout.encoding or "").lower().startswith("utf")
    result(json.dumps(_finite(document), indent=2, ensure_ascii=not utf))


def next_step(*command: str | os.PathLike[str]) -> None:
    """Print the command that a person may want next, to standard error."""
    say(f"next: {shlex.join(str(part) for part in command)}")


def table(columns: Sequence[str], rows: Sequence[Sequence[Any]], title: str = "") -> str:
    """Lines of a table whose numbers are on the right.

    Args:
        columns: their names.
        rows: a cell for each column; ``None`` is empty.
        title: above the table.
    """
    cells = [[str(name) for name in columns], *[["" if cell is None else str(cell) for cell in row] for row in rows]]
    widths = [max(len(row[column]) for row in cells) for column in range(len(columns))]
    right = [all(_is_number(row[column]) for row in cells[1:]) for column in range(len(columns))]
    lines = [_line(row, widths, right) for row in cells]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join([title, *lines] if title else lines)


@contextmanager
def progress(total: int | None, description: str) -> Iterator[Progress]:
    """A bar with the time left on a terminal; in a log a line every ten seconds.

    Args:
        total: how much there is to do, ``None`` if nobody knows.
        description: what is done.
    """
    if not _is_first():
        yield _Nothing()
    elif is_terminal():
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with RichProgress(*columns, console=Console(stderr=True)) as bars:
            yield _Bar(bars, bars.add_task(description, total=total))
    else:
        yield _Lines(total, description)


def width() -> int:
    """Characters of a line of standard output: 100 where it is no terminal."""
    return shutil.get_terminal_size((100, 24)).columns if sys.stdout.isatty() else 100


def is_terminal() -> bool:
    """Whether a person is looking at standard error."""
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


class _Nothing:
    def advance(self, count: int = 1) -> None:
        """Show nothing."""


class _Bar:
    def __init__(self, bars: Any, task: Any) -> None:
        self._bars, self._task = bars, task

    def advance(self, count: int = 1) -> None:
        self._bars.advance(self._task, count)


class _Lines:
    def __init__(self, total: int | None, description: str) -> None:
        self._total, self._description, self._done = total, description, 0
        self._start = self._shown = time.monotonic()

    def advance(self, count: int = 1) -> None:
        self._done += count
        now = time.monotonic()
        if now - self._shown < BETWEEN_LINES:
            return
        self._shown = now
        of = left = ""
        if self._total is not None:
            seconds = (now - self._start) / max(self._done, 1) * (self._total - self._done)
            of, left = f" of {self._total:,}", f", about {seconds:,.0f} s left"
        say(f"{self._description}: {self._done:,}{of}{left}")


def _is_first() -> bool:
    return os.environ.get("RANK", "0") == "0"


def _is_number(cell: str) -> bool:
    return not cell or cell.lstrip("+-").replace(",", "").replace(".", "").rstrip("% s").isdigit()


def _line(row: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    cells = zip(row, widths, right, strict=True)
    return "  ".join(cell.rjust(width) if numbers else cell.ljust(width) for cell, width, numbers in cells).rstrip()


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _finite(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(entry) for entry in value]
    if hasattr(value, "item") and not hasattr(value, "__len__"):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, str | int | float | bool | None) else str(value)

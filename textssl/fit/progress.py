"""How far a choice among classifiers is: one line that changes on a terminal, few lines in a log."""

from __future__ import annotations

import logging
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from accelerate import PartialState


__all__ = ["Say", "progress_lines"]

# Given a line on what is done now.
Say = Callable[[str], object]
# Seconds between two lines of a log.
BETWEEN_LINES = 10.0

logger = logging.getLogger(__name__)


@contextmanager
def progress_lines(progress: bool | Say) -> Iterator[Say]:
    """What lines of progress go to.

    Args:
        progress: whether to show them, on standard error; or what is given each of them instead.
    """
    if callable(progress):
        yield progress
    elif not progress or not PartialState().is_main_process:
        yield logger.info
    elif sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
        yield _in_place
        _in_place("")
    else:
        yield _FewLines()


class _FewLines:
    def __init__(self) -> None:
        self._shown = time.monotonic()

    def __call__(self, line: str) -> None:
        now = time.monotonic()
        if now - self._shown >= BETWEEN_LINES:
            self._shown = now
            print(line, file=sys.stderr, flush=True)


def _in_place(line: str) -> None:
    width = shutil.get_terminal_size().columns - 1
    print(f"\r{line[:width]:<{width}}", end="" if line else "\r", file=sys.stderr, flush=True)

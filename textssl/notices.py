"""Warnings that a person reads once, however many trainers of a run look at the same data, and again in its report."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache


__all__ = ["recorded_warnings", "warn_once"]

PACKAGE = "textssl"


@cache
def warn_once(logger: logging.Logger, message: str) -> None:
    """Log a warning the first time, on the main process."""
    # Views are imported without it, which takes a while.
    from accelerate import PartialState

    if PartialState().is_main_process:
        logger.warning(message)


@contextmanager
def recorded_warnings() -> Iterator[list[str]]:
    """Keep what is warned of meanwhile, each message once, beside showing it.

    Yields:
        The messages, which grow in the order in which they come.
    """
    messages: list[str] = []
    handler = _Recorder(messages)
    package = logging.getLogger(PACKAGE)
    package.addHandler(handler)
    # The package has no handler of its own: without this one, Python would show warnings by its last resort.
    shown = None
    if package.handlers == [handler] and not logging.getLogger().handlers:
        shown = logging.lastResort
        if shown is not None:
            package.addHandler(shown)
    try:
        yield messages
    finally:
        package.removeHandler(handler)
        if shown is not None:
            package.removeHandler(shown)


class _Recorder(logging.Handler):
    def __init__(self, messages: list[str]) -> None:
        super().__init__(logging.WARNING)
        self.messages = messages

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        if message not in self.messages:
            self.messages.append(message)

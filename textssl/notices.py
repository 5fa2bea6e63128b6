"""Warnings that a person reads once, however many trainers of a run look at the same data."""

from __future__ import annotations

import logging
from functools import cache


__all__ = ["warn_once"]


@cache
def warn_once(logger: logging.Logger, message: str) -> None:
    """Log a warning the first time, on the main process."""
    # Views are imported without it, which takes a while.
    from accelerate import PartialState

    if PartialState().is_main_process:
        logger.warning(message)

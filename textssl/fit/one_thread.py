"""Regressions on one thread: on small matrices further ones cost time, and much of it where other programs run too."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import cache
from typing import Any

from threadpoolctl import ThreadpoolController


__all__ = ["one_thread"]


def one_thread() -> AbstractContextManager[Any]:
    """Let the libraries of linear algebra that are loaded use one thread within the block."""
    limit: AbstractContextManager[Any] = _controller().limit(limits=1)
    return limit


@cache
def _controller() -> ThreadpoolController:
    # Finding the libraries takes milliseconds.
    return ThreadpoolController()

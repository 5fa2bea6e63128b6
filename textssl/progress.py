"""How far something long is, shown by a bar of tqdm or by whatever the caller has."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol, TypeAlias


__all__ = ["Advances", "ShowProgress", "counted"]


class Advances(Protocol):
    """Something that is told what was done."""

    def advance(self, count: int = 1) -> None:
        """Count what was done since the last call."""


# Given how much is left to do, None if nobody knows, and a description.
ShowProgress: TypeAlias = Callable[[int | None, str], AbstractContextManager[Advances]]


@contextmanager
def counted(
    progress: bool | ShowProgress, total: int | None, done: int, description: str, unit: str = "row"
) -> Iterator[Advances]:
    """What is told of each piece of work.

    Args:
        progress: whether a bar of tqdm is shown, or what shows the progress.
        total: of all; ``None`` if nobody knows.
        done: before, by an earlier call.
        description: of the work.
        unit: of what is counted.
    """
    if not isinstance(progress, bool):
        before = f" ({done:,} done before)" if done else ""
        with progress(None if total is None else total - done, f"{description}{before}") as bar:
            yield bar
        return
    from tqdm.auto import tqdm

    with tqdm(total=total, initial=done, desc=description, unit=unit, disable=not progress) as shown:
        yield _Tqdm(shown)


class _Tqdm:
    def __init__(self, bar: Any) -> None:
        self._bar = bar

    def advance(self, count: int = 1) -> None:
        self._bar.update(count)

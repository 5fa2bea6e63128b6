"""One thing that may or may not be there."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


__all__ = ["BROKEN", "FINE", "MISSING", "Part"]

FINE, MISSING, BROKEN = "ok", "missing", "broken"


@dataclass(frozen=True)
class Part:
    """A package, a program, a device or a folder.

    Attributes:
        name: what it is called.
        state: ``FINE``, ``MISSING``, or ``BROKEN`` where something that is needed does not work.
        found: its version, or what else there is to say of it.
        enables: what it is for.
        install: the command that brings it; "" where there is none.
    """

    name: str
    state: str
    found: str
    enables: str = ""
    install: str = ""

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

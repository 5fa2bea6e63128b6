"""All parts of an installation together."""

from __future__ import annotations

import importlib.metadata
from dataclasses import dataclass
from typing import Any

from .part import BROKEN, MISSING, Part


__all__ = ["Examination", "examine"]


@dataclass(frozen=True)
class Examination:
    """What was found.

    Attributes:
        version: of textssl.
        sections: parts by what they belong to.
    """

    version: str
    sections: dict[str, list[Part]]

    @property
    def broken(self) -> list[Part]:
        """What is needed and does not work."""
        return [part for parts in self.sections.values() for part in parts if part.state == BROKEN]

    def as_json(self) -> dict[str, Any]:
        """Plain values, for a script."""
        sections = {name: [part.as_json() for part in parts] for name, parts in self.sections.items()}
        return {"textssl": self.version, "ok": not self.broken, "sections": sections}

    def lines(self) -> list[str]:
        """For a person: each part with its state; of what is missing also what it would enable, and how to get it."""
        lines = [f"textssl {self.version}"]
        for name, parts in self.sections.items():
            width = max((len(part.name) for part in parts), default=0)
            lines += ["", name]
            for part in parts:
                lines.append(f"  {part.state:<7}  {part.name:<{width}}  {part.found}")
                told = [part.enables and f"for {part.enables}", part.install and f"get it: {part.install}"]
                if part.state in (MISSING, BROKEN):
                    lines += [f"  {'':<7}  {'':<{width}}  {line}" for line in told if line]
        return lines


def examine() -> Examination:
    """Look at packages, machine, programs, Hub and folders."""
    from .. import __version__
    from .packages import optional_packages, required_packages

    try:
        requirements = importlib.metadata.requires("textssl") or []
    except importlib.metadata.PackageNotFoundError:
        absent = Part("textssl", BROKEN, "not installed: run from its source", "", "pip install -e .")
        return Examination(__version__, {"Needed packages": [absent]})
    sections = {"Needed packages": required_packages(requirements)}
    if not any(part.state == BROKEN for part in sections["Needed packages"]):
        # What is asked next needs them.
        from .engines import engine_parts
        from .hub import folder_parts, hub_parts
        from .machine import machine_parts

        sections = {"Machine": machine_parts(), **sections}
        sections["Optional packages"] = optional_packages(requirements)
        sections |= {"Other programs and data": engine_parts(), "Hub": hub_parts(), "Folders": folder_parts()}
    return Examination(__version__, sections)

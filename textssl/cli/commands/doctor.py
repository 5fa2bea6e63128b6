"""``textssl doctor``: what is installed, what it can do, what is missing."""

from __future__ import annotations

from typing import Annotated

import typer


__all__ = ["command"]


def command(json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> int:
    """Say what is installed, which accelerators and engines there are, and what each missing part would enable."""
    from ...installation.examination import examine
    from .. import console

    found = examine()
    if json:
        console.print_json(found.as_json())
    else:
        console.result("\n".join(found.lines()))
        broken = [part.name for part in found.broken]
        console.say(f"broken: {', '.join(broken)}" if broken else "all that is needed works")
    return 1 if found.broken else 0

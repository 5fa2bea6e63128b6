"""``textssl methods``: which methods there are, and what one of them does."""

from __future__ import annotations

from typing import Annotated

import typer

from ...catalog.names import method_names


__all__ = ["command"]


def command(
    name: Annotated[
        str | None,
        typer.Argument(help="A method, to read its page; none lists all.", autocompletion=lambda: [*method_names()]),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the methods with their needs and cost, or explain one: formula, settings, when it fails."""
    from ...catalog.names import method_named
    from ...catalog.overview import methods_overview
    from ...catalog.summaries import summary_of
    from ...catalog.texts import method_details, method_text
    from .. import console

    if name is None:
        summaries = [summary_of(known) for known in method_names()]
        if json:
            console.print_json([summary.as_json() for summary in summaries])
        else:
            console.result(methods_overview(summaries, console.width()))
            console.next_step("textssl", "methods", "fixmatch")
        return
    summary = summary_of(method_named(name))
    if json:
        console.print_json(method_details(summary))
    else:
        console.result(method_text(summary, min(console.width(), 100)))

"""``textssl report``: the page of a run, to look at in a browser."""

from __future__ import annotations

import webbrowser
from pathlib import Path
from typing import Annotated

import typer


__all__ = ["command"]


def command(
    run: Annotated[Path, typer.Argument(help="Folder of a run of `fit`, `train` or `compare`.", show_default=False)],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="The page.", show_default="report.html in the run's folder"),
    ] = None,
    show: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
) -> None:
    """Write the report of a finished run as one HTML file, which needs no network, and print its path."""
    from ...report.html import write_page
    from ...report.run_folder import read_run
    from .. import console

    report, folder = read_run(run)
    page = write_page(report, folder, output)
    console.result(str(page))
    if show and not webbrowser.open(page.resolve().as_uri()):
        console.say("No browser was found here.")

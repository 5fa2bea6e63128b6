"""``textssl train``: one method, beside the supervised baseline."""

from __future__ import annotations

import sys
from itertools import takewhile
from typing import Annotated, Any

import typer

from ...catalog.names import method_names
from ..missing_files import check_files


__all__ = ["CONTEXT_SETTINGS", "command"]

# Which other flags there are, help among them, depends on the method.
CONTEXT_SETTINGS: dict[str, Any] = {"allow_extra_args": True, "ignore_unknown_options": True}


def command(
    context: typer.Context,
    method: Annotated[
        str | None, typer.Option(help="Name of the method.", autocompletion=lambda: [*method_names()])
    ] = None,
    processes: Annotated[int, typer.Option(help="Processes on this machine, one for each GPU.")] = 1,
) -> int:
    """Train one method and the supervised baseline on the same labels, and compare them."""
    words = [*([] if method is None else ["--method", method]), *context.args]
    if not {"-h", "--help", "--help-all"} & set(words):
        files = takewhile(lambda word: not word.startswith("-"), context.args)
        check_files(**dict(zip(("train_file", "unlabeled_file"), files, strict=False)))
    if processes != 1:
        from ..processes import run_in_processes

        return run_in_processes([sys.executable, "-m", "textssl", "train", *words], processes)
    from ..train.program import train_program

    train_program(words)
    return 0

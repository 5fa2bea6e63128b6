"""The ``textssl`` command: which commands there are, and how one is called."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from ..errors import UserError
from .program import run_program
from .quiet import silence_other_libraries


__all__ = ["COMMANDS", "command_line_app", "main", "run"]

FIT, USE, DATA, LOOK = "Train a classifier", "Use it", "Prepare data", "Look things up"
# Each has the module of its name in ``commands``, with a function ``command``, or an ``app`` of further commands.
COMMANDS = {
    "fit": FIT,
    "train": FIT,
    "compare": FIT,
    "predict": USE,
    "evaluate": USE,
    "export": USE,
    "serve": USE,
    "push": USE,
    "check": DATA,
    "augment": DATA,
    "bank": DATA,
    "pseudo-label": DATA,
    "back-translate": DATA,
    "report": LOOK,
    "methods": LOOK,
    "doctor": LOOK,
}


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run a command and exit: 0, 1 if its answer is no, 2 after a mistake in its input, 130 after Ctrl-C.

    Args:
        argv: the command and its arguments; ``sys.argv[1:]`` by default.
    """
    silence_other_libraries()
    if isinstance(sys.stdout, io.TextIOWrapper):
        # What the encoding of a terminal or a pipe lacks is shown by its number.
        sys.stdout.reconfigure(errors="backslashreplace")
    words = sys.argv[1:] if argv is None else argv
    again = {} if "train" in words[:1] else {"again": "the same command", "resumes": "goes on"}
    run_program(lambda: run(argv), **again)


def run(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status, 0 or 1.

    Args:
        argv: the command and its arguments; ``sys.argv[1:]`` by default.

    Raises:
        UserError: no such command or flag, or input that cannot work.
    """
    try:
        status = command_line_app()(argv, prog_name="textssl", standalone_mode=False)
    except _Interrupted as interrupted:
        raise KeyboardInterrupt from interrupted
    except Exception as error:
        # Errors of click, which some releases of typer bring along and others import.
        if type(error).__name__ == "NoArgsIsHelpError":
            return 0
        if not hasattr(error, "format_message"):
            raise
        raise UserError(_one_line(error)) from error
    return status if isinstance(status, int) else 0


def command_line_app() -> typer.Typer:
    """The command with all its commands."""
    app = typer.Typer(
        cls=_Commands,
        no_args_is_help=True,
        context_settings={"help_option_names": ["-h", "--help"], "token_normalize_func": _normalized},
        pretty_exceptions_enable=False,
        rich_markup_mode="markdown",
    )
    app.callback()(_options)
    for name, panel in COMMANDS.items():
        module: Any = import_module(f".commands.{name.replace('-', '_')}", __package__)
        if hasattr(module, "app"):
            app.add_typer(module.app, name=name, rich_help_panel=panel)
        else:
            settings = getattr(module, "CONTEXT_SETTINGS", None)
            has_help = getattr(module, "ADDS_HELP", False)
            options = {} if settings is None else {"add_help_option": has_help, "context_settings": settings}
            app.command(name, rich_help_panel=panel, **options)(module.command)
    return app


class _Interrupted(BaseException):
    """Ctrl-C, of which typer would make a status or an error of its own."""


class _Commands(TyperGroup):
    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as error:
            raise _Interrupted from error


def _print_version(wanted: bool) -> None:
    if wanted:
        from .. import __version__

        print(f"textssl {__version__}")
        raise typer.Exit


def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Semi-supervised learning: from a few labeled and many unlabeled texts or images to a classifier.

    From two files to a served classifier:

    ```text
    textssl check few.csv many.csv                  what is odd about the data
    textssl fit few.csv many.csv --level fast -o M  train a classifier
    textssl report M --open                         look at what came out
    textssl predict M new.csv -o labeled.csv        label a file
    textssl serve M                                 answer over HTTP
    ```

    `few.csv` has a column of texts and one of labels, `many.csv` a column of texts.
    """


def _normalized(token: str) -> str:
    """Flags and commands may be spelled with either of the two dashes."""
    return token.replace("_", "-")


def _one_line(error: Any) -> str:
    """What was wrong with the command line, with the nearest names that exist."""
    message = " ".join(str(error.format_message()).split())
    near = get_close_matches(getattr(error, "option_name", ""), getattr(error, "possibilities", None) or [], n=1)
    if near:
        message = f"{message.partition(' (Possible')[0].rstrip('.')}; did you mean {near[0]}?"
    return message

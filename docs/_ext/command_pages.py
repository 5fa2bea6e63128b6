"""The page of the command line, read off the commands themselves."""

from __future__ import annotations

import inspect
from typing import Any

from docstring_markdown import table
from typer.main import get_command

from textssl.cli.main import COMMANDS, command_line_app


__all__ = ["commands_page"]

INTRO = """\
`pip install textssl` installs the command `textssl`; `python -m textssl` is the same. `textssl COMMAND --help`
shows what stands here, `textssl --install-completion` completes commands and flags in the shell. Flags may be
written with `-` or `_` between words.

What was asked for goes to standard output, everything else to standard error: `textssl evaluate ... --json >
scores.json` holds one JSON document. The exit status is 0 where all is done, 1 where a command ran and its answer
is no (`check` found what training would refuse, a cell of `compare` failed), 2 after a mistake in the input, which
is one line, and 130 after Ctrl-C. Long commands go on where they were when they are called again.
"""


def commands_page() -> str:
    """All commands with their arguments and flags."""
    app: Any = get_command(command_line_app())
    parts = ["# Commands", INTRO.strip()]
    panel = None
    for name, heading in COMMANDS.items():
        if heading != panel:
            parts.append(f"## {heading}")
            panel = heading
        parts += _described(name, app.commands[name])
    return "\n\n".join(parts) + "\n"


def _described(name: str, command: Any) -> list[str]:
    if hasattr(command, "commands"):
        inner = [part for key, one in command.commands.items() for part in _described(f"{name} {key}", one)]
        return [f"### textssl {name}", _text(command.help), *inner]
    arguments = [param for param in command.params if param.param_type_name == "argument"]
    options = [param for param in command.params if param.param_type_name == "option" and not param.hidden]
    usage = " ".join([f"textssl {name}", *(_argument(param) for param in arguments), "[OPTIONS]"])
    rows = [[f"`{param.name.upper()}`", _cell(param.help), ""] for param in arguments]
    rows += [[_flags(param), _cell(param.help), _default(param)] for param in options if param.name != "help"]
    shown = table(["", "", "default"], rows) if rows else ""
    return [f"### textssl {name}", f"```text\n{usage}\n```", _text(command.help), *([shown] if shown else [])]


def _argument(param: Any) -> str:
    if param.metavar:
        return str(param.metavar)
    name = str(param.name).upper()
    return name if param.required else f"[{name}]"


def _flags(param: Any) -> str:
    return ", ".join(f"`{flag}`" for flag in [*param.opts, *param.secondary_opts])


def _default(param: Any) -> str:
    if param.required:
        return "required"
    shown = getattr(param, "show_default", True)
    if isinstance(shown, str):
        return shown
    value = param.default
    plain = isinstance(value, str | int | float) and not isinstance(value, bool)
    return f"`{value}`" if shown and plain and value != "" else ""


def _cell(text: str | None) -> str:
    return " ".join((text or "").split()).replace("|", "\\|")


def _text(text: str | None) -> str:
    return inspect.cleandoc(text or "").replace("\f", "").strip()

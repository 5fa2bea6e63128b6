"""Any method on any data, beside the supervised baseline: the program of ``textssl train`` and of the recipes."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from ...catalog.names import method_named
from ...catalog.summaries import first_lines
from ...errors import UserError


__all__ = ["train_program"]

ABOUT = """\
usage: textssl train [LABELED [UNLABELED]] --method NAME [flags]

Trains a method and the supervised baseline on the same labels, and compares them.
LABELED and UNLABELED are CSV, TSV, JSONL or Parquet files or folders; --source NAME takes named data instead.
--processes N trains in N processes, as accelerate launch -m textssl train ... does.
textssl train --method NAME --help shows the values that a run will use and the flags of the method.

Methods:"""


def train_program(argv: Sequence[str] | None = None) -> dict[str, dict[str, Any]]:
    """Train the method that ``--method`` names; see :func:`textssl.cli.recipe.train_recipe`.

    Args:
        argv: the command line; ``sys.argv[1:]`` by default.

    Returns:
        The results of each stage; empty where only help was asked for.

    Raises:
        UserError: no such method, or settings, data or a model that cannot work.
    """
    parser = _MethodParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--method")
    known, rest = parser.parse_known_args(list(sys.argv[1:] if argv is None else argv))
    if known.method is None and {"-h", "--help", "--help-all"} & set(rest):
        print("\n".join([ABOUT, *(f"  {name:<22} {line}" for name, line in first_lines().items())]))
        return {}
    if known.method is None:
        raise UserError("method: got none; give --method NAME: textssl train --help lists them")
    method = method_named(known.method)
    # Not before: help and a mistake need no torch.
    from ..presets import presets_for
    from ..recipe import train_recipe

    return train_recipe(method, presets_for(method), argv=rest)


class _MethodParser(argparse.ArgumentParser):
    """A mistake is a UserError."""

    def error(self, message: str) -> Any:
        raise UserError(message)

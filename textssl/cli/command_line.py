"""Words of a command line before they are parsed: files without a flag find theirs."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from transformers.hf_argparser import string_to_bool

from ..errors import UserError


__all__ = ["place_files"]

TRUTHS = ("yes", "true", "t", "y", "1", "no", "false", "f", "n", "0", "none")


def place_files(parser: argparse.ArgumentParser, words: Sequence[str], names: Sequence[str]) -> list[str]:
    """Give the words that belong to no flag the flags ``names``, in order.

    Args:
        parser: knows which flags take values.
        words: the command line.
        names: of the flags, without dashes.

    Raises:
        UserError: such a word for a flag that is given too, or one too many.
    """
    placed: list[str] = []
    found: list[str] = []
    given = {_field(parser, word) for word in words if _is_flag(word)}
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if not _is_flag(word):
            if len(found) == len(names):
                if names:
                    raise UserError(f"{word}: belongs to no flag; {' and '.join(names)} are {' and '.join(found)}")
                placed.append(word)
                continue
            name = names[len(found)]
            if name in given:
                raise UserError(f"{name}: got {word!r} beside --{name}; give one of them")
            found.append(word)
            placed += [f"--{name}", word]
            continue
        taken = 0 if "=" in word else _values(parser, word, rest)
        placed += [word, *rest[:taken]]
        del rest[:taken]
    return placed


def _values(parser: argparse.ArgumentParser, flag: str, following: Sequence[str]) -> int:
    """How many of the following words are values of ``flag``."""
    values = next((place for place, word in enumerate(following) if _is_flag(word)), len(following))
    action = parser._option_string_actions.get(flag)
    if action is None:
        # The error will be about this flag.
        return min(values, 1)
    if action.nargs == 0:
        return 0
    if action.nargs in ("+", "*"):
        return values
    if action.nargs == "?" and action.type is string_to_bool and values:
        return int(following[0].lower() in TRUTHS)
    return min(values, 1)


def _is_flag(word: str) -> bool:
    # A negative number is a value.
    return word.startswith("-") and not word[1:2].isdigit() and word[1:2] != "." and word != "-"


def _field(parser: argparse.ArgumentParser, word: str) -> str:
    action = parser._option_string_actions.get(word.split("=")[0])
    return word if action is None else action.dest

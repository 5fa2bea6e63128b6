"""Settings of presets and YAML files, as defaults of a parser: each value in the type of its flag."""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import yaml
from transformers.hf_argparser import string_to_bool

from ..errors import UserError


__all__ = ["Preset", "did_you_mean", "read_settings", "set_defaults"]

Preset = Mapping[str, Any]


def set_defaults(parser: argparse.ArgumentParser, settings: Preset, keys: set[str], where: str) -> None:
    """Make ``settings`` the defaults of their flags.

    Args:
        parser: of the flags.
        settings: values by key.
        keys: the keys that are allowed.
        where: the preset or the file, for messages.

    Raises:
        UserError: an unknown key, or a value that its flag would not take.
    """
    actions = {name.lstrip("-"): action for action in parser._actions for name in action.option_strings}
    for key, value in settings.items():
        if key not in keys:
            raise UserError(f"{where}: unknown key {key!r}{did_you_mean(str(key), keys)}")
        action = actions[key]
        parser.set_defaults(**{action.dest: _typed(action, value, f"{where}: {key}")})
        action.required = False


def _typed(action: argparse.Action, value: Any, name: str) -> Any:
    """The value as the flag would have it; a setting of several types checks its own."""
    if isinstance(value, list | dict | bool) and _takes_several_types(action):
        return deepcopy(value)
    if action.nargs in ("+", "*"):
        return [_typed_one(action, one, name) for one in (value if isinstance(value, list) else [value])]
    return _typed_one(action, value, name)


def _takes_several_types(action: argparse.Action) -> bool:
    """Whether the field of the flag is a word, or numbers, or shares by name."""
    return action.type is str and action.nargs in ("+", "*") and not isinstance(action.default, list)


def _typed_one(action: argparse.Action, value: Any, name: str) -> Any:
    if value is None:
        # To settings with a word of their own for it, null is that word.
        return None if action.default is None or _kind(action) in (int, float, string_to_bool) else "none"
    convert, kind = action.type if callable(action.type) else str, _kind(action)
    fits: Any = {int: int, float: (int, float), string_to_bool: bool}.get(kind)
    if not isinstance(value, str) and fits is not None:
        wrong = not isinstance(value, fits) or (isinstance(value, bool) and kind is not string_to_bool)
        if wrong:
            raise UserError(f"{name}: got {value!r}; expected {_article(kind)}")
        return float(value) if kind is float else value
    if isinstance(value, dict):
        return deepcopy(value)
    try:
        typed = convert(str(value))
    except (ValueError, TypeError, argparse.ArgumentTypeError) as error:
        raise UserError(f"{name}: got {value!r}; expected {_article(kind)}") from error
    if action.choices is not None and typed not in action.choices:
        raise UserError(f"{name}: got {value!r}; allowed: {', '.join(map(str, action.choices))}")
    return typed


def _kind(action: argparse.Action) -> Any:
    return getattr(action.type, "__wrapped__", action.type)


def _article(kind: Any) -> str:
    """The type of a flag, in words."""
    words = {int: "a whole number", float: "a number", string_to_bool: "true or false"}
    return words.get(kind, "a value of the flag's type, as --help shows it")


def read_settings(path: Path) -> Preset:
    """Keys and values of a YAML file.

    Raises:
        UserError: there is no such file, or it is none of YAML's, or holds no keys.
    """
    try:
        settings = yaml.safe_load(path.read_text())
    except FileNotFoundError:
        raise UserError(f"config: {path} does not exist") from None
    except (yaml.YAMLError, OSError, UnicodeDecodeError) as error:
        raise UserError(f"config: {path} is no YAML file ({' '.join(str(error).split())})") from error
    if not isinstance(settings, dict):
        raise UserError(f"config: {path} holds no keys; expected lines such as 'learning_rate: 3e-5'")
    return settings


def did_you_mean(name: str, keys: set[str]) -> str:
    """The known name that is nearest, as the end of a message; empty where none is near."""
    near = difflib.get_close_matches(name, keys, n=1)
    return f"; did you mean {near[0]}?" if near else ""

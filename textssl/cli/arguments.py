"""Flags over YAML over preset over defaults, in one parser; unknown keys are errors."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from functools import wraps
from pathlib import Path
from typing import Any, NoReturn, Protocol, runtime_checkable

from transformers import HfArgumentParser
from transformers.hf_argparser import string_to_bool

from ..errors import UserError
from .command_line import place_files
from .preset_clashes import build_without_clashes, resolve_clashes
from .typed_settings import Preset, did_you_mean, read_settings, set_defaults


__all__ = ["Preset", "UsesExplicitNames", "parse_arguments", "parse_flags"]


@runtime_checkable
class UsesExplicitNames(Protocol):
    """Options whose meaning depends on what a person set, and not a preset."""

    def set_explicit(self, explicit: frozenset[str], notes: Sequence[str] = ()) -> None:
        """Learn the names of the fields that were set, of all types, and what became of values of the preset."""


class _Parser(HfArgumentParser):
    """Raises instead of printing two pages of usage."""

    def error(self, message: str) -> NoReturn:
        raise UserError(message)


def parse_arguments(
    types: Sequence[type],
    presets: Mapping[str, Preset] | Callable[[Mapping[str, Any]], Mapping[str, Preset]],
    default_preset: str,
    argv: Sequence[str] | None = None,
) -> tuple[Any, ...]:
    """Parse dataclasses from the command line.

    ``--preset NAME`` names a set of defaults and ``--config FILE`` a YAML file of keys; a flag beats the file,
    the file beats the preset, the preset beats the dataclasses. The values of both become the parser's defaults,
    of the flag's own type: ``3e-5`` is a number here although YAML 1.1 has it a string.

    Words that are no flags fill the fields that a type names in its attribute ``positional``, in that order.

    Args:
        types: dataclasses whose fields become flags.
        presets: defaults by name; or what gives them, from the flags and the keys of the file.
        default_preset: taken where ``--preset`` is missing or ``auto``.
        argv: arguments; ``sys.argv[1:]`` by default.

    Returns:
        One instance of each type. One that is :class:`UsesExplicitNames` learns which fields were set by flags or in
        the file.

    Raises:
        UserError: an unknown preset, key or flag, or a value of the wrong type or out of range.
    """
    parser = _parser(types)
    names_of_files = [name for kind in types for name in getattr(kind, "positional", ())]
    argv = place_files(parser, sys.argv[1:] if argv is None else argv, names_of_files)
    # A key is any name of a flag that takes a value.
    names = {name.lstrip("-") for action in parser._actions for name in action.option_strings if action.nargs != 0}
    keys = {name for name in names if "-" not in name} - {"help"}
    first = _Parser([], add_help=False, allow_abbrev=False)
    first.add_argument("--preset", default=None)
    first.add_argument("--config", default=None)
    chosen, _ = first.parse_known_args(argv)
    file: Preset = {} if chosen.config is None else read_settings(Path(chosen.config))
    if not isinstance(presets, Mapping):
        presets = presets({**file, **_flags_of(argv)})
    wanted = chosen.preset or file.get("preset") or "auto"
    if wanted not in {*presets, "auto"}:
        raise UserError(f"preset: got {wanted!r}; allowed: {', '.join(['auto', *presets])}")
    preset = default_preset if wanted == "auto" else wanted
    defaults = _defaults(parser)
    for settings, where in ((presets[preset], f"preset {preset}"), (file, str(chosen.config))):
        set_defaults(parser, settings, keys, where)
    parser.set_defaults(preset=preset)
    namespace, unknown = parser.parse_known_args([*argv, "--preset", preset])
    _refuse_unknown(unknown, keys)
    explicit = _explicit_names(parser, [*argv, *[f"--{key}" for key in file]])
    values, of_preset = vars(namespace), _by_field(parser, presets[preset])
    notes = resolve_clashes(values, of_preset, explicit, defaults)
    built, more = build_without_clashes(
        lambda settings: _build(types, settings), values, of_preset.keys() - explicit, defaults
    )
    for part in built:
        if isinstance(part, UsesExplicitNames):
            part.set_explicit(explicit, [*notes, *more])
    return built


def parse_flags(kind: type, argv: Sequence[str] | None = None) -> Any:
    """Parse one dataclass from the command line alone: no presets, no file.

    Raises:
        UserError: an unknown flag, or a value of the wrong type or out of range.
    """
    parser = _parser([kind])
    namespace, unknown = parser.parse_known_args(list(sys.argv[1:] if argv is None else argv))
    _refuse_unknown(unknown, {entry.name for entry in fields(kind)})
    return _build([kind], vars(namespace))[0]


def _refuse_unknown(words: Sequence[str], keys: set[str]) -> None:
    if words:
        name = words[0].split("=")[0]
        raise UserError(f"{name}: no such flag{did_you_mean(name.lstrip('-').replace('-', '_'), keys)}")


def _explicit_names(parser: argparse.ArgumentParser, words: Sequence[str]) -> frozenset[str]:
    """Fields that flags among ``words`` are of."""
    flags = {word.split("=")[0] for word in words if word.startswith("-")}
    return frozenset(action.dest for action in parser._actions if flags & {*action.option_strings})


def _flags_of(argv: Sequence[str]) -> dict[str, str]:
    """Flags and their values as they stand, not understood yet."""
    words = [part for word in argv for part in (word.split("=", 1) if word.startswith("--") else [word])]
    following = [*words[1:], "--"][: len(words)]
    return {
        word.lstrip("-").replace("-", "_"): "true" if value.startswith("--") else value
        for word, value in zip(words, following, strict=True)
        if word.startswith("--")
    }


def _parser(types: Sequence[type]) -> _Parser:
    kinds: list[Any] = list(types)
    parser = _Parser(kinds, allow_abbrev=False)
    for action in parser._actions:
        # Numbers only: to some settings "none" is a word that they know.
        if action.default is None and action.type in (int, float):
            action.type = _or_none(action.type)
        if action.default is None and action.type is string_to_bool:
            # As of any other flag that is on or off.
            action.nargs, action.const = "?", True
        if action.dest == "output_dir":
            _add_names(parser, action, "-o", "--output")
        if action.dest == "class_weights":
            action.nargs = "+"
        if action.dest == "distribution_alignment":
            action.nargs = "*"
        if action.dest == "resume_from_checkpoint":
            action.nargs, action.const = "?", "true"
            action.help = "Go on from the newest finished checkpoint, or from the named one."
    return parser


def _add_names(parser: argparse.ArgumentParser, action: argparse.Action, *names: str) -> None:
    """More names of a flag; argparse has no call for it."""
    action.option_strings = [*names, *action.option_strings]
    parser._option_string_actions.update(dict.fromkeys(names, action))


def _defaults(parser: argparse.ArgumentParser) -> dict[str, Any]:
    """Of each field, before a preset or a file changes it."""
    # The second action of a field that is on by default is the flag that switches it off.
    return {action.dest: action.default for action in reversed(parser._actions) if action.dest != "help"}


def _by_field(parser: argparse.ArgumentParser, settings: Preset) -> dict[str, Any]:
    """Values by the names of fields, where keys may be other names of their flags."""
    return {parser._option_string_actions[f"--{key}"].dest: value for key, value in settings.items()}


def _build(types: Sequence[Any], settings: Mapping[str, Any]) -> tuple[Any, ...]:
    values = dict(settings)
    resume = str(values.get("resume_from_checkpoint")).lower()
    if resume in ("true", "false", "none"):
        values["resume_from_checkpoint"] = resume == "true" or None
    if "disable_tqdm" in values and values["disable_tqdm"] is None:
        # By itself it follows the verbosity of transformers, which commands lower.
        values["disable_tqdm"] = False
    if values.get("distribution_alignment") == []:
        # The flag alone, as when it was on or off.
        values["distribution_alignment"] = "labeled"
    built = []
    for kind in types:
        names = {entry.name for entry in fields(kind) if entry.init}
        try:
            built.append(kind(**{name: value for name, value in values.items() if name in names}))
        except ValueError as error:
            raise UserError(" ".join(str(error).split())) from error
    return tuple(built)


def _or_none(kind: Callable[[str], Any]) -> Callable[[str], Any]:
    """``kind``, but ``none``, YAML's ``null``, takes back what a preset set."""

    @wraps(kind, assigned=("__name__",), updated=())
    def convert(text: str) -> Any:
        return None if text.lower() == "none" else kind(text)

    return convert

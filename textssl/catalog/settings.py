"""Settings of methods: what the docstring of a config says of each field, its symbol in the paper, its default."""

from __future__ import annotations

import dataclasses
import inspect
import re
from typing import TYPE_CHECKING, Any


if TYPE_CHECKING:
    from ..config import SSLConfig


__all__ = ["Setting", "default_of", "described", "descriptions_of", "method_settings", "settings_of"]

MODALITIES = ("text", "image", "features")
SYMBOL = r"(?:lambda|tau|alpha|gamma|epsilon|eta|xi|pi|omega|[a-zA-Z])(?:_\w+|\d)?"
# A word that begins a sentence is no symbol: the symbol is followed by a comma, or by "of" after a single letter.
LEADING = re.compile(rf"({SYMBOL})(?=[,;]|: (?=``)| of the )")


def settings_of(config_class: type[SSLConfig]) -> list[dataclasses.Field[Any]]:
    """Fields that the method adds to those of every config, and those whose default it changes."""
    from ..config import SSLConfig

    shared = {entry.name: entry.default for entry in dataclasses.fields(SSLConfig)}
    return [f for f in dataclasses.fields(config_class) if f.name not in shared or shared[f.name] != f.default]


def descriptions_of(config_class: type) -> dict[str, str]:
    """What the docstrings of the config and its bases say of each field."""
    found: dict[str, str] = {}
    for cls in reversed(config_class.__mro__):
        text = inspect.cleandoc(cls.__dict__.get("__doc__") or "")
        section = re.search(r"^Args:\n(.*?)(?=^\S|\Z)", text, re.DOTALL | re.MULTILINE)
        for entry in re.split(r"\n(?=    \w)", "\n" + section[1] if section else ""):
            field, colon, said = entry.strip().partition(": ")
            if colon and field.isidentifier():
                found[field] = " ".join(said.split())
    return found


def described(text: str, short: str) -> tuple[str, str]:
    """The symbol that a description of a setting begins with, "" where none does, and the description without it.

    Args:
        text: from the config's docstring.
        short: the help of the flag, which says what the docstring leaves out where it has the symbol alone.
    """
    found, helped = LEADING.match(text), LEADING.match(short)
    if found is None:
        return (helped[1] if helped else ""), text
    rest = text[found.end() :].removeprefix(",").removeprefix(":").lstrip()
    if rest.startswith(";"):
        rest = (short[helped.end() :].removeprefix(", ") if helped else short).rstrip(".") + rest
    return found[1], rest


def default_of(config_class: type[SSLConfig], entry: dataclasses.Field[Any]) -> str:
    """The default of a setting, in backquotes; of each modality where they differ."""
    factory = entry.default_factory
    value = entry.default if factory is dataclasses.MISSING else factory()
    values = config_class.modality_defaults
    if value not in (None, "auto") or not any(entry.name in table for table in values.values()):
        return f"`{_number(value)}`"
    text = values.get("text", {}).get(entry.name)
    by_modality = [(m, values.get(m, {}).get(entry.name, text)) for m in MODALITIES]
    if len({repr(v) for _, v in by_modality}) == 1:
        return f"`{_number(text)}`"
    return ", ".join(f"{modality}: `{_number(v)}`" for modality, v in by_modality)


def _number(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


@dataclasses.dataclass(frozen=True)
class Setting:
    """A setting of a method.

    Attributes:
        name: of the field, which is also its flag.
        symbol: in the paper; "" where it has none.
        default: as text; of each modality where they differ.
        description: what it does.
    """

    name: str
    symbol: str
    default: str
    description: str


def method_settings(config_class: type[SSLConfig]) -> list[Setting]:
    """The settings that a method adds to those of every method, or whose default it changes."""
    said, found = descriptions_of(config_class), []
    for entry in settings_of(config_class):
        short = str(entry.metadata.get("help", ""))
        symbol, text = described(said.get(entry.name, short), short)
        found.append(Setting(entry.name, symbol, default_of(config_class, entry), text))
    return found

"""Dataclasses as JSON: written without NaN, read with each name and each type checked."""

from __future__ import annotations

import math
import os
import types
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from textssl.errors import UserError


__all__ = ["parsed", "plain"]

WORDS = {str: "a string", int: "a whole number", float: "a number", bool: "true or false", type(None): "null"}


def plain(value: Any, where: str) -> Any:
    """What ``json.dumps`` can write of ``value``.

    Dataclasses become dictionaries, NumPy numbers and arrays and tensors become numbers and lists, paths become
    strings. JSON has no NaN and no infinity: they become null.

    Args:
        value: of any depth.
        where: names the value in an error.

    Raises:
        TypeError: a value that JSON cannot hold, named by its keys, or a key that is no string.
    """
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name), f"{where}.{field.name}") for field in fields(value)}
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise TypeError(f"{where} has the key {key!r}: a key must be a string")
        return {key: plain(item, f"{where}[{key!r}]") for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item, f"{where}[{place}]") for place, item in enumerate(value)]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if callable(getattr(value, "tolist", None)):
        return plain(value.tolist(), where)
    raise TypeError(f"{where} is a {type(value).__name__}, which JSON cannot hold")


def parsed(kind: Any, value: Any, where: str) -> Any:
    """The value of type ``kind`` that :func:`plain` wrote as ``value``.

    Args:
        kind: a dataclass, ``str``, ``int``, ``float``, ``bool``, ``None``, a ``Literal``, a union or a tuple of such.
        value: as ``json.loads`` returns it.
        where: names the value in an error.

    Raises:
        UserError: a name that the dataclass does not have, one that is missing, or a value of another type.
    """
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return _one_of(inner, value, where)
    if origin is Literal:
        if value not in inner:
            raise UserError(f"{where}: got {value!r:.100}; expected one of {', '.join(map(repr, inner))}")
        return value
    if origin is tuple:
        return _tuple(inner, value, where)
    if is_dataclass(kind):
        return _dataclass(kind, value, where)
    # A truth value is an int to Python, and a whole number is a float to a person.
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, kind) or (kind is not bool and isinstance(value, bool)):
        raise UserError(f"{where}: got {value!r:.100}; expected {WORDS[kind]}")
    return value


def _one_of(kinds: tuple[Any, ...], value: Any, where: str) -> Any:
    if value is None and type(None) in kinds:
        return None
    (kind,) = (kind for kind in kinds if kind is not type(None))
    return parsed(kind, value, where)


def _tuple(inner: tuple[Any, ...], value: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise UserError(f"{where}: got {value!r:.100}; expected a list")
    if inner[-1] is Ellipsis:
        # Curves are long: all numbers at once.
        if inner[0] == float | None and {type(item) for item in value} <= {float, type(None)}:
            return tuple(value)
        return tuple(parsed(inner[0], item, f"{where}[{place}]") for place, item in enumerate(value))
    if len(value) != len(inner):
        raise UserError(f"{where}: got {len(value)} values; expected {len(inner)}")
    return tuple(parsed(kind, item, f"{where}[{n}]") for n, (kind, item) in enumerate(zip(inner, value, strict=True)))


def _dataclass(kind: Any, value: Any, where: str) -> Any:
    if not isinstance(value, dict):
        raise UserError(f"{where}: got {value!r:.100}; expected an object")
    known = {field.name: field for field in fields(kind)}
    unknown = [name for name in value if name not in known]
    if unknown:
        raise UserError(f"{where}: got the unknown name {unknown[0]!r:.100}; expected {', '.join(known)}")
    hints = get_type_hints(kind)
    for name, field in known.items():
        if name not in value and field.default is MISSING and field.default_factory is MISSING:
            raise UserError(f"{where}: {name!r} is missing")
    return kind(**{name: parsed(hints[name], item, f"{where}.{name}") for name, item in value.items()})

"""Argument checks of the loss core: on shapes and dtypes, never on values held by a device."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor


Shape = Sequence[int | str]


def check_float(name: str, x: Tensor, shape: Shape) -> None:
    """Raise unless ``x`` is a floating-point tensor of ``shape``; a string stands for any size."""
    _check(name, x, shape, "a floating-point", isinstance(x, Tensor) and x.is_floating_point())


def check_integer(name: str, x: Tensor, shape: Shape) -> None:
    """Raise unless ``x`` is an integer tensor (not bool) of ``shape``."""
    whole = isinstance(x, Tensor) and not (x.is_floating_point() or x.is_complex() or x.dtype == torch.bool)
    _check(name, x, shape, "an integer", whole)


def check_interval(name: str, x: float, low: float, high: float) -> None:
    """Raise unless ``low <= x <= high``; nan is refused."""
    if not low <= x <= high:
        raise ValueError(f"{name}: got {x}; expected a number in [{low}, {high}]")


def check_positive(name: str, x: float) -> None:
    """Raise unless ``x`` is positive and finite."""
    if not 0 < x < math.inf:
        raise ValueError(f"{name}: got {x}; expected a positive finite number")


def compute_dtype(*tensors: Tensor) -> torch.dtype:
    """The dtype to calculate in: the widest of the arguments, and at least float32."""
    dtype = torch.float32
    for x in tensors:
        dtype = torch.promote_types(dtype, x.dtype)
    return dtype


def _check(name: str, x: object, shape: Shape, kind: str, right_kind: bool) -> None:
    if not isinstance(x, Tensor):
        raise ValueError(f"{name}: got {type(x).__name__}; expected a tensor")
    fits = len(shape) == x.dim() and all(
        isinstance(want, str) or want == got for want, got in zip(shape, x.shape, strict=True)
    )
    if not (right_kind and fits):
        wanted = ", ".join(map(str, shape))
        raise ValueError(f"{name}: got {x.dtype} of shape {list(x.shape)}; expected {kind} tensor of shape [{wanted}]")
    if 0 in x.shape[1:]:
        raise ValueError(f"{name}: got shape {list(x.shape)}; expected no empty axis beyond the first")

"""Random numbers that are a function of the example, not of the batch, the process or the moment."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from textssl.functional._checks import check_integer


__all__ = ["keyed_normal", "keyed_uniform"]

# 2^64 over the golden ratio, and two odd multipliers, as signed 64-bit numbers.
_STEP = 0x9E3779B97F4A7C15 - 2**64
_FIRST = 0xBF58476D1CE4E5B9 - 2**64
_SECOND = 0x94D049BB133111EB - 2**64
_LOW_HALF = 2**32 - 1


def keyed_normal(keys: Tensor, shape: tuple[int, ...], salt: Tensor | int, positions: Tensor | None = None) -> Tensor:
    """Standard normal numbers that depend on nothing but the key, the salt and the place within the example.

    There is no generator whose state could differ between a batch and its halves, between processes, or after a
    resume. Numbers are counted row by row, so those of a sequence ``[T, H]`` are the first of a longer one's. They
    are equal on every device up to the rounding of its logarithm and cosine. Not for cryptography.

    Args:
        keys: ``[B]`` int64: which example; any values.
        shape: of one example, ``[T, H]`` for a sequence; without empty axes.
        salt: an int64 scalar, a number or a tensor, such as the step: another salt gives unrelated numbers.
        positions: ``[B, shape[0]]`` int64, the number of each place along the first axis; 0, 1, 2, ... by default.
            A sequence that is padded on the left counts from its first token.

    Returns:
        ``[B, *shape]`` float32 on the device of ``keys``, each number within 6.8 of zero.

    Raises:
        ValueError: wrong rank or dtype, an empty axis, positions of another shape.

    Source: the hash is SplitMix64: Steele, Lea and Flood, 2014, "Fast splittable pseudorandom number generators";
    the normal numbers are those of Box and Muller, 1958.
    """
    return _normal(_bits(keys, shape, salt, positions)).reshape(keys.shape[0], *shape)


def keyed_uniform(keys: Tensor, shape: tuple[int, ...], salt: Tensor | int, positions: Tensor | None = None) -> Tensor:
    """Numbers that are uniform between 0 and 1, made as those of :func:`keyed_normal` are.

    They are the odd multiples of 2^-24, so neither 0 nor 1 occurs, logarithms of a number and of its complement are
    finite, and every device gives the same bits. With the same key, salt and place they are not independent of
    the normal numbers: take another salt.

    Args:
        keys: ``[B]`` int64: which example; any values.
        shape: of one example, ``[C]`` for a number per class; without empty axes.
        salt: an int64 scalar, a number or a tensor, such as the step: another salt gives unrelated numbers.
        positions: ``[B, shape[0]]`` int64, the number of each place along the first axis; 0, 1, 2, ... by default.

    Returns:
        ``[B, *shape]`` float32 on the device of ``keys``, above 0 and below 1.

    Raises:
        ValueError: as in :func:`keyed_normal`.

    Source: the hash is SplitMix64: Steele, Lea and Flood, 2014, "Fast splittable pseudorandom number generators".
    """
    upper = _shifted(_bits(keys, shape, salt, positions), 41)
    return (upper.float() + 0.5).mul_(2.0**-23).reshape(keys.shape[0], *shape)


def _bits(keys: Tensor, shape: tuple[int, ...], salt: Tensor | int, positions: Tensor | None) -> Tensor:
    """64 random bits for each place, [B, shape[0], places within]."""
    _check_int64("keys", keys, ("B",))
    if not shape or min(shape) < 1:
        raise ValueError(f"shape: got {list(shape)}; expected no empty axis")
    if isinstance(salt, Tensor):
        _check_int64("salt", salt, ())
    device = keys.device
    if positions is None:
        positions = torch.arange(shape[0], device=device)[None]
    else:
        _check_int64("positions", positions, (keys.shape[0], shape[0]))
    per_place = math.prod(shape[1:])
    counters = positions[:, :, None] * per_place + torch.arange(1, per_place + 1, device=device)
    start = _hashed(keys ^ _hashed(torch.as_tensor(salt, dtype=torch.long, device=device) + _STEP))
    return _hashed(counters * _STEP + start[:, None, None])


def _hashed(x: Tensor) -> Tensor:
    """Every bit of the result depends on every bit of ``x``; unequal numbers stay unequal. Products wrap around."""
    x = (x ^ _shifted(x, 30)) * _FIRST
    x = (x ^ _shifted(x, 27)) * _SECOND
    return x ^ _shifted(x, 31)


def _shifted(x: Tensor, bits: int) -> Tensor:
    """Bits moved right, zeros from the left: the tensor's own shift repeats the sign."""
    return (x >> bits) & (2 ** (64 - bits) - 1)


def _normal(bits: Tensor) -> Tensor:
    """One number of each 64 random bits: 32 for the radius, 32 for the angle."""
    # Half a unit above zero, so that the logarithm is finite.
    radius = (_shifted(bits, 32).float() + 0.5).mul_(2.0**-32).log_().mul_(-2.0).sqrt_()
    angle = (bits & _LOW_HALF).float().mul_(2.0 * math.pi / 2**32)
    return radius.mul_(angle.cos_())


def _check_int64(name: str, x: Tensor, shape: tuple[int | str, ...]) -> None:
    check_integer(name, x, shape)
    if x.dtype != torch.int64:
        raise ValueError(f"{name}: got {x.dtype}; expected int64")

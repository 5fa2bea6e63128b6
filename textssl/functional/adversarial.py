"""Perturbations of a continuous input: pixels, features, or a sequence of embeddings with padding.

``d`` and ``x`` are ``[B, ...]``; a sequence is ``[B, T, H]``, with a ``mask`` ``[B, T]`` that is 0 on padding. A size
belongs to an example as a whole, **never** to a token: a long text is not moved further than a short one. float16
and bfloat16 arguments are calculated in float32 and give float32; float64 stays float64. Detach a perturbation
that training shall not differentiate.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from textssl.functional._checks import check_float, compute_dtype


__all__ = ["example_norm", "example_rms", "normalize_perturbation", "sign_perturbation"]


def normalize_perturbation(d: Tensor, epsilon: float | Tensor, mask: Tensor | None = None) -> Tensor:
    """Each example's direction with a given L2 norm: epsilon d / ||d||_2.

    Padding is cleared before the norm is taken. An example whose ``d`` is zero stays zero, and the smallest gradient
    that the dtype can hold gives a full step: ``d`` is divided by its largest component first.

    Args:
        d: ``[B, ...]``, such as a gradient.
        epsilon: the norm over all positions that are no padding; a number, or ``[B]``, one for each example.
        mask: ``[B, T]``, 0 where ``d[b, t]`` is padding; ``None`` where there is none.

    Returns:
        The shape of ``d``; 0 on padding.

    Raises:
        ValueError: wrong rank or dtype, unequal shapes, a number epsilon that is negative or not finite.

    Source: Miyato et al., 2018, arXiv:1704.03976; over whole texts: Miyato, Dai and Goodfellow, 2017,
    arXiv:1605.07725.
    """
    d, size = _cleared("d", d, mask), _size(epsilon, d)
    largest = _per_example(d.detach().flatten(1).abs().amax(1), d)
    d = d / torch.where(largest > 0, largest, 1.0)
    norm = _per_example(torch.linalg.vector_norm(d.flatten(1), dim=1), d)
    return size * (d / torch.where(norm > 0, norm, 1.0))


def sign_perturbation(d: Tensor, epsilon: float | Tensor, mask: Tensor | None = None) -> Tensor:
    """Of all steps whose largest component is epsilon, the one furthest along ``d``: epsilon sign(d).

    Args:
        d: ``[B, ...]``, such as a gradient. A component that is zero stays zero.
        epsilon: the L-infinity norm; a number, or ``[B]``, one for each example.
        mask: ``[B, T]``, 0 where ``d[b, t]`` is padding; ``None`` where there is none.

    Returns:
        The shape of ``d``; 0 on padding.

    Raises:
        ValueError: wrong rank or dtype, unequal shapes, a number epsilon that is negative or not finite.

    Source: the fast gradient sign method: Goodfellow, Shlens and Szegedy, 2015, arXiv:1412.6572.
    """
    d = _cleared("d", d, mask)
    return _size(epsilon, d) * d.sign()


def example_norm(x: Tensor, mask: Tensor | None = None) -> Tensor:
    """L2 norm of each example over all its positions that are no padding.

    Args:
        x: ``[B, ...]``.
        mask: ``[B, T]``, 0 where ``x[b, t]`` is padding; ``None`` where there is none.

    Returns:
        ``[B]``.

    Raises:
        ValueError: wrong rank or dtype, unequal shapes.
    """
    return torch.linalg.vector_norm(_cleared("x", x, mask).flatten(1), dim=1)


def example_rms(x: Tensor, mask: Tensor | None = None) -> Tensor:
    """Root mean square of each example's components, those of padding left out; 0 for an example of padding alone.

    Args:
        x: ``[B, ...]``.
        mask: ``[B, T]``, 0 where ``x[b, t]`` is padding; ``None`` where there is none.

    Returns:
        ``[B]``.

    Raises:
        ValueError: wrong rank or dtype, unequal shapes.
    """
    norm = example_norm(x, mask)
    if mask is None:
        return norm / math.sqrt(math.prod(x.shape[1:]))
    positions = (mask != 0).sum(1).clamp_min(1).to(norm.dtype)
    return norm / (positions * math.prod(x.shape[2:])).sqrt()


def _cleared(name: str, x: Tensor, mask: Tensor | None) -> Tensor:
    """``x`` in the dtype to calculate in, zero on padding: also where it was nan there."""
    if not isinstance(x, Tensor) or x.dim() < 2:
        raise ValueError(f"{name}: got {x!r}; expected a tensor of shape [B, ...]")
    check_float(name, x, x.shape)
    x = x.to(compute_dtype(x))
    if mask is None:
        return x
    if not isinstance(mask, Tensor) or mask.shape != x.shape[:2]:
        raise ValueError(
            f"mask: got {list(mask.shape) if isinstance(mask, Tensor) else mask!r}; "
            f"expected a tensor of shape {list(x.shape[:2])}"
        )
    return x.masked_fill((mask == 0).reshape(*mask.shape, *[1] * (x.dim() - 2)), 0.0)


def _size(epsilon: float | Tensor, d: Tensor) -> float | Tensor:
    """``epsilon``, ready to multiply ``d``."""
    if isinstance(epsilon, Tensor):
        check_float("epsilon", epsilon, d.shape[:1])
        return _per_example(epsilon.to(compute_dtype(d)), d)
    if not 0 <= epsilon < math.inf:
        raise ValueError(f"epsilon: got {epsilon}; expected a finite number of at least 0")
    return epsilon


def _per_example(values: Tensor, d: Tensor) -> Tensor:
    """``[B]`` as ``[B, 1, ...]``."""
    return values.reshape(-1, *[1] * (d.dim() - 1))

"""What an unlabeled example is trained towards: functions from probabilities to probabilities.

All are differentiable; a method makes its targets under ``torch.no_grad()``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from textssl.functional._checks import (
    check_float,
    check_integer,
    check_positive,
    compute_dtype,
)


__all__ = ["align_distribution", "guess_labels", "one_hot", "sharpen"]

# Below this share a class counts as never predicted; ReMixMatch's code adds the same number.
_SMALLEST_MEAN = 1e-6


def sharpen(probs: Tensor, temperature: float) -> Tensor:
    """Raise probabilities to the power 1/T and renormalise (MixMatch, eq. 7).

    A temperature below 1 moves each row towards its largest entry, 1 leaves it, above 1 flattens
    it. As T tends to 0 a row tends to one-hot (tied largest entries share the mass). ``sharpen`` of
    ``softmax(logits)`` is ``softmax(logits / T)``.

    Args:
        probs: ``[B, C]``, rows sum to one; zeros are allowed. A row of zeros stays zeros.
        temperature: T > 0; MixMatch 0.5, UDA 0.4 (images) and 0.85 (text).

    Returns:
        ``[B, C]`` in the dtype of ``probs``; calculated in at least float32.

    Raises:
        ValueError: wrong rank or dtype, or a temperature that is not positive and finite.

    Source: Berthelot et al., 2019, arXiv:1905.02249; UDA: Xie et al., 2019, arXiv:1904.12848.
    """
    check_float("probs", probs, ("B", "C"))
    check_positive("temperature", temperature)
    p = probs.to(compute_dtype(probs))
    # Scaling a row does not change the result; it keeps the largest power at 1, so none underflow.
    largest = p.detach().amax(dim=-1, keepdim=True).clamp_min(torch.finfo(p.dtype).tiny)
    powers = (p / largest).pow(1.0 / temperature)
    return (powers / powers.sum(dim=-1, keepdim=True).clamp_min(1.0)).to(probs.dtype)


def align_distribution(probs: Tensor, model_mean: Tensor, target: Tensor) -> Tensor:
    """Scale each class by ``target / model_mean`` and renormalise: distribution alignment.

    Align first and sharpen afterwards; the other order gives another result.

    Args:
        probs: ``[B, C]`` predictions, rows sum to one.
        model_mean: ``[C]`` running mean of the *raw* (not aligned) unlabeled predictions. Entries
            below 1e-6 count as 1e-6, so that a class never predicted does not divide by zero.
        target: ``[C]`` the class distribution wanted, such as that of the labeled data.

    Returns:
        ``[B, C]`` in the dtype of ``probs``. A row whose whole mass lies on classes of target 0
        becomes zeros, which contribute nothing to a cross-entropy.

    Raises:
        ValueError: wrong rank, dtype, or number of classes.

    Source: ReMixMatch, sec. 3.1: Berthelot et al., 2020, arXiv:1911.09785.
    """
    check_float("probs", probs, ("B", "C"))
    check_float("model_mean", model_mean, probs.shape[1:])
    check_float("target", target, probs.shape[1:])
    dtype = compute_dtype(probs, model_mean, target)
    ratio = target.to(dtype) / model_mean.to(dtype).clamp_min(_SMALLEST_MEAN)
    scaled = probs.to(dtype) * ratio
    total = scaled.sum(dim=-1, keepdim=True).clamp_min(torch.finfo(dtype).tiny)
    return (scaled / total).to(probs.dtype)


def one_hot(labels: Tensor, num_labels: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """One-hot rows of integer labels, without the host sync of ``torch.nn.functional.one_hot``.

    Args:
        labels: ``[B]`` integers. A label outside ``[0, num_labels)``, such as -1 or -100 for
            "unknown", gives a row of zeros: looking at the values would stall a GPU.
        num_labels: C, at least 1.
        dtype: of the result; float32.

    Returns:
        ``[B, C]``.

    Raises:
        ValueError: wrong rank or dtype of ``labels``, or ``num_labels`` below 1.
    """
    check_integer("labels", labels, ("B",))
    if num_labels < 1:
        raise ValueError(f"num_labels: got {num_labels}; expected at least 1")
    classes = torch.arange(num_labels, device=labels.device)
    return (labels.unsqueeze(-1) == classes).to(dtype)


def guess_labels(probs_per_view: Sequence[Tensor], weights: Sequence[float] | None = None) -> Tensor:
    """Weighted mean of the predictions on several views of the same examples (MixMatch, eq. 6).

    Args:
        probs_per_view: one ``[B, C]`` tensor per view, all of one shape.
        weights: one non-negative number per view, normalised here to sum to one; None (the
            default) is the plain mean of MixMatch. MixText weighs the original text above its
            paraphrases.

    Returns:
        ``[B, C]`` in the dtype of the first view; calculated in at least float32.

    Raises:
        ValueError: no view, unequal shapes, or weights that are too few, too many, negative, not
            finite or all zero.

    Source: Berthelot et al., 2019, arXiv:1905.02249; MixText: Chen et al., 2020, arXiv:2004.12239.
    """
    if len(probs_per_view) == 0:
        raise ValueError("probs_per_view: got none; expected at least one tensor")
    first = probs_per_view[0]
    check_float("probs_per_view[0]", first, ("B", "C"))
    for i, probs in enumerate(probs_per_view):
        check_float(f"probs_per_view[{i}]", probs, first.shape)
    shares = _normalized(weights, len(probs_per_view))
    dtype = compute_dtype(*probs_per_view)
    guess = torch.zeros_like(first, dtype=dtype)
    for share, probs in zip(shares, probs_per_view, strict=True):
        guess = guess + share * probs.to(dtype)
    return guess.to(first.dtype)


def _normalized(weights: Sequence[float] | None, views: int) -> list[float]:
    if weights is None:
        return [1.0 / views] * views
    if len(weights) != views:
        raise ValueError(f"weights: got {len(weights)}; expected one number per view ({views})")
    if not all(0 <= w < math.inf for w in weights) or sum(weights) == 0:
        raise ValueError(f"weights: got {list(weights)}; expected non-negative, finite weights, not all zero")
    return [w / sum(weights) for w in weights]

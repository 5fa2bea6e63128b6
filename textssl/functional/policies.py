"""CTAugment's rates: how well a model still knows what an augmentation has changed, strength by strength.

An operation has bins of strengths, from weakest to strongest, and each bin a rate in [0, 1]: about the probability
of the right class where that bin was applied. O operations, M the most bins that one of them has.
"""

from __future__ import annotations

import torch
from torch import Tensor

from textssl.functional._checks import check_float, check_integer, check_interval, compute_dtype


__all__ = ["agreement", "bin_probs", "updated_bins"]


def agreement(probs: Tensor, labels: Tensor) -> Tensor:
    """1 - ||p - onehot(y)||_1 / 2, which is the probability of the right class: omega.

    Args:
        probs: ``[B, C]`` predictions, rows sum to one.
        labels: ``[B]`` integers in [0, C).

    Returns:
        ``[B]`` in the dtype of ``probs``.

    Raises:
        ValueError: wrong rank or dtype, or unequal B.

    Source: ReMixMatch, sec. 3.2: Berthelot et al., 2020, arXiv:1911.09785.
    """
    check_float("probs", probs, ("B", "C"))
    check_integer("labels", labels, probs.shape[:1])
    return probs.gather(1, labels.long().unsqueeze(-1)).squeeze(-1)


def bin_probs(rates: Tensor, present: Tensor | None = None, threshold: float = 0.8, decay: float = 0.99) -> Tensor:
    """How likely each bin of an operation is to be applied.

    In proportion to m + (1 - decay), divided by its largest value over the bins of the operation, and 0 where that is
    below the threshold. With a threshold of 1 only the best bins are left, with 0 all.

    Args:
        rates: m, ``[O, M]``, not negative.
        present: ``[O, M]`` bool, which bins exist, at least one in each row; None: all.
        threshold: least share of the best bin's value that is not cut off, in [0, 1]; 0.8, as in the authors' code.
        decay: rho, of the rates, in [0, 1); 0.99. What it adds keeps bins of rate 0 comparable.

    Returns:
        ``[O, M]`` in the dtype of ``rates``; rows sum to one, and absent bins are 0.

    Raises:
        ValueError: wrong rank or dtype, unequal shapes, a threshold or a decay out of range.

    Source: ReMixMatch, sec. 3.2: Berthelot et al., 2020, arXiv:1911.09785.
    """
    check_float("rates", rates, ("O", "M"))
    check_interval("threshold", threshold, 0.0, 1.0)
    _check_decay(decay)
    values = rates.to(compute_dtype(rates)) + (1.0 - decay)
    if present is not None:
        if present.shape != rates.shape or present.dtype != torch.bool:
            raise ValueError(
                f"present: got {present.dtype} of shape {list(present.shape)}; "
                f"expected a bool tensor of shape {list(rates.shape)}"
            )
        values = torch.where(present, values, 0.0)
    values = values / values.amax(-1, keepdim=True)
    # An absent bin is 0 in any case, also where the threshold keeps all.
    values = torch.where(values < threshold, 0.0, values)
    return (values / values.sum(-1, keepdim=True)).to(rates.dtype)


def updated_bins(rates: Tensor, sums: Tensor, counts: Tensor, decay: float = 0.99) -> Tensor:
    """The rates after a step in which bins were tried.

    A bin that was tried n times, with mean agreement w, becomes decay^n m + (1 - decay^n) w: it moves as far as n
    single updates would move it, and the order of them does not matter. A bin that was not tried stays.

    Args:
        rates: m, ``[O, M]``.
        sums: ``[O, M]`` floating point, for each bin the sum of :func:`agreement` over its n trials.
        counts: ``[O, M]`` integers, n.
        decay: rho, share of a rate that one trial leaves, in [0, 1); 0.99.

    Returns:
        ``[O, M]`` in the dtype of ``rates``.

    Raises:
        ValueError: wrong rank or dtype, unequal shapes, a decay out of range.

    Source: ReMixMatch, sec. 3.2: Berthelot et al., 2020, arXiv:1911.09785, for n = 1.
    """
    check_float("rates", rates, ("O", "M"))
    check_float("sums", sums, rates.shape)
    check_integer("counts", counts, rates.shape)
    _check_decay(decay)
    dtype = compute_dtype(rates, sums)
    mean = sums.to(dtype) / counts.clamp_min(1)
    left = torch.pow(decay, counts.to(dtype))
    moved = left * rates.to(dtype) + (1.0 - left) * mean
    return torch.where(counts > 0, moved.to(rates.dtype), rates)


def _check_decay(decay: float) -> None:
    if not 0 <= decay < 1:
        raise ValueError(f"decay: got {decay}; expected a number in [0, 1)")

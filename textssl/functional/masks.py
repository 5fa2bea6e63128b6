"""Which examples take part in a loss: ``[B]`` floats of 0 and 1.

Multiply per-example losses with them. No gradient flows through a mask.
"""

from __future__ import annotations

import math

from torch import Tensor

from textssl.functional._checks import (
    check_float,
    check_integer,
    check_interval,
    compute_dtype,
)


__all__ = ["confidence_mask", "tsa_mask", "tsa_threshold"]


def confidence_mask(probs: Tensor, threshold: float | Tensor) -> Tensor:
    """1 where the largest probability of a row reaches the threshold, else 0 (FixMatch, eq. 4).

    The comparison is ``>=`` and made in at least float32: bfloat16 would round 0.95 itself.

    Args:
        probs: ``[B, C]``, rows sum to one.
        threshold: tau, a number in [0, 1] (FixMatch 0.95, UDA 0.8), or a floating-point tensor of
            shape ``[B]`` (one per example) or ``[]`` (one computed on the device).

    Returns:
        ``[B]``, float64 for float64 ``probs``, else float32.

    Raises:
        ValueError: wrong rank or dtype, or a number outside [0, 1].

    Source: Sohn et al., 2020, arXiv:2001.07685.
    """
    check_float("probs", probs, ("B", "C"))
    dtype = compute_dtype(probs)
    limit = _limit("threshold", threshold, probs)
    return (probs.amax(dim=-1).to(dtype) >= limit).to(dtype)


def tsa_threshold(progress: float, num_labels: int, schedule: str) -> float:
    """UDA's eta_t: from 1/K at the start to 1 at the end of training (training signal annealing).

    eta_t = a (1 - 1/K) + 1/K with a = t ("linear"), exp(5 (t - 1)) ("exp": signal released late,
    for few labels) or 1 - exp(-5 t) ("log": released early, for many labels; it ends at 1 -
    exp(-5), so a very sure example stays masked to the end).

    Args:
        progress: t in [0, 1], the share of training done.
        num_labels: K, at least 2.
        schedule: "linear", "log" or "exp".

    Returns:
        A float in [1/K, 1].

    Raises:
        ValueError: progress outside [0, 1], fewer than 2 labels, an unknown schedule.

    Source: Xie et al., 2019, arXiv:1904.12848.
    """
    check_interval("progress", progress, 0.0, 1.0)
    if num_labels < 2:
        raise ValueError(f"num_labels: got {num_labels}; expected at least 2")
    if schedule == "linear":
        released = progress
    elif schedule == "exp":
        released = math.exp(5.0 * (progress - 1.0))
    elif schedule == "log":
        released = 1.0 - math.exp(-5.0 * progress)
    else:
        raise ValueError(f"schedule: got {schedule!r}; expected 'linear', 'log' or 'exp'")
    return released * (1.0 - 1.0 / num_labels) + 1.0 / num_labels


def tsa_mask(logits: Tensor, labels: Tensor, threshold: float | Tensor) -> Tensor:
    """0 where the probability of the **correct** label exceeds the threshold, else 1.

    A confident *wrong* prediction is kept: the largest probability plays no part. UDA divides the
    masked labeled loss by ``mask.sum().clamp_min(1)``.

    Args:
        logits: ``[B, C]``.
        labels: ``[B]`` integers in ``[0, C)``.
        threshold: eta_t of `tsa_threshold`: a number in [0, 1], or a floating-point tensor of shape
            ``[B]`` or ``[]``.

    Returns:
        ``[B]``, float64 for float64 ``logits``, else float32.

    Raises:
        ValueError: wrong rank or dtype, unequal batch sizes, or a number outside [0, 1].

    Source: Xie et al., 2019, arXiv:1904.12848.
    """
    check_float("logits", logits, ("B", "C"))
    check_integer("labels", labels, logits.shape[:1])
    dtype = compute_dtype(logits)
    limit = _limit("threshold", threshold, logits)
    probs = logits.detach().to(dtype).softmax(dim=-1)
    correct = probs.gather(-1, labels.long().unsqueeze(-1)).squeeze(-1)
    return (correct <= limit).to(dtype)


def _limit(name: str, threshold: float | Tensor, rows: Tensor) -> float | Tensor:
    if not isinstance(threshold, Tensor):
        check_interval(name, threshold, 0.0, 1.0)
        return threshold
    check_float(name, threshold, rows.shape[:1] if threshold.dim() else ())
    return threshold.to(compute_dtype(rows))

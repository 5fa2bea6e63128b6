"""Weights and learning rates over training: ``progress`` in [0, 1] in, float out."""

from __future__ import annotations

import math

from textssl.functional._checks import check_interval


__all__ = ["cosine_rampdown", "linear_rampup", "sigmoid_rampup"]


def linear_rampup(progress: float, length: float) -> float:
    """min(progress / length, 1): from 0 to 1 over the first ``length`` of training.

    Args:
        progress: share of training done, in [0, 1].
        length: share of training that the ramp takes, not negative; 0 means no ramp: 1 everywhere.

    Returns:
        A float in [0, 1].

    Raises:
        ValueError: progress outside [0, 1]; a negative or infinite length.

    Source: the weight of the unlabeled term in MixMatch: Berthelot et al., 2019, arXiv:1905.02249.
    """
    return _ramp_position(progress, length)


def sigmoid_rampup(progress: float, length: float) -> float:
    """exp(-5 (1 - t)^2) with t = min(progress / length, 1).

    It starts at exp(-5) = 0.0067, not at 0.

    Args:
        progress: share of training done, in [0, 1].
        length: share of training that the ramp takes, not negative; 0 means no ramp: 1 everywhere.

    Returns:
        A float in [exp(-5), 1].

    Raises:
        ValueError: progress outside [0, 1]; a negative or infinite length.

    Source: Temporal Ensembling: Laine and Aila, 2017, arXiv:1610.02242.
    """
    return math.exp(-5.0 * (1.0 - _ramp_position(progress, length)) ** 2)


def cosine_rampdown(progress: float) -> float:
    """cos(7 pi progress / 16), the factor on FixMatch's learning rate.

    It falls from 1 to 0.195 and never reaches 0: 7/16, not 1/2, of a half-turn.

    Args:
        progress: share of training done, in [0, 1].

    Returns:
        A float in [0.195, 1].

    Raises:
        ValueError: progress outside [0, 1].

    Source: Sohn et al., 2020, arXiv:2001.07685.
    """
    check_interval("progress", progress, 0.0, 1.0)
    return math.cos(7.0 * math.pi / 16.0 * progress)


def _ramp_position(progress: float, length: float) -> float:
    check_interval("progress", progress, 0.0, 1.0)
    if not 0 <= length < math.inf:
        raise ValueError(f"length: got {length}; expected a finite number of at least 0")
    return min(progress / length, 1.0) if length > 0 else 1.0

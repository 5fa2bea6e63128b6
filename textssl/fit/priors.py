"""Probabilities of unlabeled examples, aligned with a class distribution that is given, counted or estimated."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from .. import functional as F
from ..errors import UserError


__all__ = ["ALIGNMENTS", "align_probs", "target_prior"]

ALIGNMENTS = ("none", "labeled", "uniform", "sqrt", "estimated")

# Share of the labeled distribution in an estimate; see docs/guides/priors.md for what others cost.
SHRINKAGE = 0.5
RIDGE = 0.01
SMALLEST_MEAN = 1e-6


def align_probs(
    probs: np.ndarray,
    labeled_prior: np.ndarray,
    how: str | Sequence[float] | np.ndarray = "none",
    *,
    held_out: tuple[np.ndarray, np.ndarray] | None = None,
) -> np.ndarray:
    """Scale each class by its wanted share over its mean probability, and renormalise each row.

    Args:
        probs: ``[M, C]`` probabilities of the unlabeled examples.
        labeled_prior: ``[C]`` class distribution of the labeled examples.
        how: one of :data:`ALIGNMENTS`, or the wanted distribution itself, ``[C]`` numbers.
        held_out: for ``"estimated"``: probabilities ``[N, C]`` of labeled examples by classifiers that were not
            trained on them, and their class numbers ``[N]``.

    Returns:
        ``[M, C]`` float64; ``probs`` itself with ``"none"`` or without rows.

    Raises:
        UserError: an unknown word, or numbers that are no distribution over the C classes.
    """
    probs = np.asarray(probs, dtype=np.float64)
    target = target_prior(probs, labeled_prior, how, held_out=held_out)
    if target is None or not len(probs):
        return probs
    scaled = probs * (target / np.maximum(probs.mean(axis=0), SMALLEST_MEAN))
    total = scaled.sum(axis=1, keepdims=True)
    # A row whose whole mass lies on classes of target 0 says nothing about the others: it stays.
    return np.where(total > 0, scaled / np.where(total > 0, total, 1.0), probs)


def target_prior(
    probs: np.ndarray,
    labeled_prior: np.ndarray,
    how: str | Sequence[float] | np.ndarray,
    *,
    held_out: tuple[np.ndarray, np.ndarray] | None = None,
) -> np.ndarray | None:
    """The class distribution ``[C]`` that :func:`align_probs` aligns with; None: it leaves probabilities alone.

    ``"sqrt"`` is the geometric mean of the labeled distribution and the mean of ``probs``. ``"estimated"`` is that of
    :func:`~textssl.functional.estimate_prior_bbse` with held-out predictions, of
    :func:`~textssl.functional.estimate_prior_em` without, half shrunk to the labeled distribution.

    In self-training, call it once, on what the supervised classifier says, and pass the numbers on as ``how``: shares
    that are estimated in each round follow the mistakes of the rounds before (docs/guides/priors.md).
    """
    probs = np.asarray(probs, dtype=np.float64)
    prior = np.asarray(labeled_prior, dtype=np.float64)
    if not isinstance(how, str):
        return _checked(how, probs.shape[1])
    if how not in ALIGNMENTS:
        raise UserError(
            f"distribution_alignment: got {how!r}; allowed: {', '.join(ALIGNMENTS)}, or a share for each class"
        )
    if how == "none" or not len(probs):
        return None
    if how == "labeled":
        return prior
    if how == "uniform":
        return np.full(len(prior), 1 / len(prior))
    rows, source = torch.from_numpy(probs), torch.from_numpy(prior)
    if how == "sqrt":
        return F.geometric_mean_prior(source, rows.mean(0)).numpy()
    if held_out is None:
        return F.estimate_prior_em(rows, source, shrinkage=SHRINKAGE).numpy()
    known_probs, labels = (
        torch.from_numpy(np.asarray(held_out[0], np.float64)),
        torch.from_numpy(np.asarray(held_out[1])),
    )
    return F.estimate_prior_bbse(
        rows, known_probs, labels.long(), ridge=RIDGE, shrinkage=SHRINKAGE, towards=source
    ).numpy()


def _checked(shares: Sequence[float] | np.ndarray, classes: int) -> np.ndarray:
    target = np.asarray(shares, dtype=np.float64)
    if target.shape != (classes,) or not np.isfinite(target).all() or target.min() < 0 or not target.sum() > 0:
        raise UserError(
            f"distribution_alignment: got {target.tolist()}; expected {classes} shares, none of them negative"
        )
    return target / target.sum()

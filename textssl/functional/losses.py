"""Losses between logits and target distributions: ``[B, C]`` in, one number per example out.

``logits`` are unnormalised, ``targets`` are probabilities. float16 and bfloat16 arguments are
calculated in float32 and give float32; float64 stays float64. Gradients flow into both arguments:
make targets under ``torch.no_grad()``. The caller masks and reduces: ``(mask * loss).mean()``
divides by the whole batch. Logits are finite; use a large negative number, not minus infinity, to
rule a class out.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from textssl.functional._checks import check_float, compute_dtype


__all__ = ["entropy", "kl_divergence", "prior_divergence", "soft_cross_entropy", "squared_error"]


def soft_cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """-sum_c targets_c log softmax(logits)_c: cross-entropy with a distribution as target, in nats.

    Args:
        logits: ``[B, C]``.
        targets: ``[B, C]``. A row of zeros gives 0.

    Returns:
        ``[B]``.

    Raises:
        ValueError: wrong rank or dtype, unequal shapes.

    Source: the losses of MixMatch (eq. 3; Berthelot et al., 2019, arXiv:1905.02249) and FixMatch
    (Sohn et al., 2020, arXiv:2001.07685).
    """
    log_probs, targets = _log_probs_and_targets(logits, targets)
    return -(targets * log_probs).sum(dim=-1)


def kl_divergence(logits: Tensor, targets: Tensor) -> Tensor:
    """KL(targets || softmax(logits)) = sum_c t_c (log t_c - log p_c), in nats.

    0 log 0 is 0. Where the two agree, the value and the gradient with respect to the logits are
    zero to within the rounding of the dtype. The gradient with respect to the logits is that of
    `soft_cross_entropy`; the value is smaller by the entropy of the targets.

    Args:
        logits: ``[B, C]``.
        targets: ``[B, C]``, rows sum to one (a row of zeros gives 0).

    Returns:
        ``[B]``.

    Raises:
        ValueError: wrong rank or dtype, unequal shapes.

    Source: the consistency loss of UDA (Xie et al., 2019, arXiv:1904.12848) and VAT (Miyato et al.,
    2018, arXiv:1704.03976).
    """
    log_probs, targets = _log_probs_and_targets(logits, targets)
    # log of 1, not of 0, so that neither the value nor the gradient meets 0 * infinity.
    log_targets = torch.where(targets > 0, targets, torch.ones_like(targets)).log()
    return (targets * (log_targets - log_probs)).sum(dim=-1)


def squared_error(logits: Tensor, targets: Tensor) -> Tensor:
    """**Mean** over classes of (softmax(logits) - targets)^2 (MixMatch, eq. 4).

    The published weights (75, 100) presuppose the mean; a sum would be C times as strong.

    Args:
        logits: ``[B, C]``.
        targets: ``[B, C]``.

    Returns:
        ``[B]``, each in [0, 2/C] for proper distributions.

    Raises:
        ValueError: wrong rank or dtype, unequal shapes.

    Source: Berthelot et al., 2019, arXiv:1905.02249; Mean Teacher: Tarvainen and Valpola, 2017,
    arXiv:1703.01780.
    """
    log_probs, targets = _log_probs_and_targets(logits, targets)
    return (log_probs.exp() - targets).square().mean(dim=-1)


def entropy(logits: Tensor) -> Tensor:
    """-sum_c p_c log p_c with p = softmax(logits), in nats: between 0 and log C.

    The gradient flows through both factors (entropy minimisation).

    Args:
        logits: ``[B, C]``.

    Returns:
        ``[B]``.

    Raises:
        ValueError: wrong rank or dtype.

    Source: Grandvalet and Bengio, 2004, "Semi-supervised learning by entropy minimization".
    """
    check_float("logits", logits, ("B", "C"))
    log_probs = logits.to(compute_dtype(logits)).log_softmax(dim=-1)
    return -(log_probs.exp() * log_probs).sum(dim=-1)


def prior_divergence(logits: Tensor, prior: Tensor) -> Tensor:
    """KL(prior || h) = sum_c prior_c (log prior_c - log h_c), h being the **batch's mean** of softmax(logits).

    The one loss that is no sum over examples: it keeps the predictions of a batch from falling into one class (R_A).

    Args:
        logits: ``[B, C]``, B at least 1.
        prior: ``[C]``, sums to one; a class of prior 0 contributes nothing.

    Returns:
        A scalar, 0 where the mean prediction is the prior. The authors' code leaves the constant out: for a uniform
        prior theirs is larger by log C.

    Raises:
        ValueError: wrong rank or dtype, another number of classes.

    Source: Arazo et al., 2020, arXiv:1908.02983, eq. 4; DivideMix: Li et al., 2020, arXiv:2002.07394, eq. 10.
    """
    check_float("logits", logits, ("B", "C"))
    check_float("prior", prior, logits.shape[1:])
    dtype = compute_dtype(logits, prior)
    prior = prior.to(dtype)
    # The logarithm of the mean, by way of logarithms: a class that no row predicts does not underflow.
    log_mean = logits.to(dtype).log_softmax(dim=-1).logsumexp(dim=0) - math.log(max(len(logits), 1))
    log_prior = torch.where(prior > 0, prior, torch.ones_like(prior)).log()
    return (prior * (log_prior - log_mean)).sum()


def _log_probs_and_targets(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    check_float("logits", logits, ("B", "C"))
    check_float("targets", targets, logits.shape)
    dtype = compute_dtype(logits, targets)
    return logits.to(dtype).log_softmax(dim=-1), targets.to(dtype)

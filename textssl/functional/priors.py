"""Estimates of a class distribution that nobody counted, from the probabilities that a classifier gives."""

from __future__ import annotations

import torch
from torch import Tensor

from textssl.functional._checks import check_float, check_integer, check_interval, compute_dtype


__all__ = ["estimate_prior_bbse", "estimate_prior_em", "geometric_mean_prior", "reweighed_mean"]


def estimate_prior_em(
    probs: Tensor, source_prior: Tensor, *, shrinkage: float = 0.0, towards: Tensor | None = None, steps: int = 100
) -> Tensor:
    """Class distribution of examples under label shift, by expectation maximisation.

    Each step reweighs the probabilities by ``prior / source_prior``, renormalises them and takes their mean. With
    shrinkage s that mean is mixed with ``towards``: the maximum a posteriori under a Dirichlet prior whose
    pseudo-count is N s / (1 - s). It is a share of N, since what makes the bare estimate overshoot is a classifier
    that is surer than it should be, and more examples do not cure that.

    Args:
        probs: ``[N, C]`` calibrated probabilities of a classifier that was trained on ``source_prior``.
        source_prior: ``[C]`` class distribution of its training data. A class of share 0 was never seen: nothing is
            learned about it, and its estimate is its share of ``towards``, times the shrinkage.
        shrinkage: s, in [0, 1]; 0 is the bare estimate, 1 gives ``towards``.
        towards: ``[C]`` distribution to shrink to; ``source_prior`` by default.
        steps: number of steps, at least 1. The prior begins at ``source_prior``.

    Returns:
        ``[C]`` in the dtype of ``source_prior``, or in that of ``probs`` if it is wider.

    Raises:
        ValueError: wrong shapes or dtypes, a shrinkage outside [0, 1], fewer than one step.

    Source: Saerens, Latinne and Decaestecker, 2002, "Adjusting the Outputs of a Classifier to New a Priori
    Probabilities", Neural Computation 14(1), equation 2.9.
    """
    check_float("probs", probs, ("N", "C"))
    check_float("source_prior", source_prior, probs.shape[1:])
    check_interval("shrinkage", shrinkage, 0, 1)
    if steps < 1:
        raise ValueError(f"steps: got {steps}; expected at least 1")
    goal = _goal(towards, source_prior)
    dtype = compute_dtype(probs, source_prior, goal)
    rows, source, goal = probs.to(dtype), source_prior.to(dtype), goal.to(dtype)
    prior = source
    for _ in range(steps):
        prior = _normalized((1 - shrinkage) * reweighed_mean(rows, source, prior) + shrinkage * goal, source)
    return prior.to(torch.promote_types(probs.dtype, source_prior.dtype))


def reweighed_mean(probs: Tensor, source_prior: Tensor, prior: Tensor) -> Tensor:
    """Mean of the probabilities that a classifier would give if the classes were distributed as ``prior``.

    One step of :func:`estimate_prior_em`: each class is scaled by ``prior / source_prior``, each row renormalised.

    Args:
        probs: ``[N, C]`` of a classifier that was trained on ``source_prior``.
        source_prior: ``[C]``. A class of share 0 stays at 0.
        prior: ``[C]``.

    Returns:
        ``[C]``, at least float32, with sum one; ``source_prior`` where no row has mass that is left.

    Raises:
        ValueError: wrong rank, dtype, or number of classes.
    """
    check_float("probs", probs, ("N", "C"))
    check_float("source_prior", source_prior, probs.shape[1:])
    check_float("prior", prior, probs.shape[1:])
    dtype = compute_dtype(probs, source_prior, prior)
    tiny, source = torch.finfo(dtype).tiny, source_prior.to(dtype)
    ratio = torch.where(source > 0, prior.to(dtype) / source.clamp_min(tiny), 0.0)
    weighed = probs.to(dtype) * ratio
    return _normalized((weighed / weighed.sum(-1, keepdim=True).clamp_min(tiny)).mean(0), source)


def estimate_prior_bbse(
    probs: Tensor,
    held_out_probs: Tensor,
    held_out_labels: Tensor,
    *,
    ridge: float = 0.0,
    shrinkage: float = 0.0,
    towards: Tensor | None = None,
    steps: int = 1000,
) -> Tensor:
    """Class distribution of examples under label shift, from how a classifier mistakes one class for another.

    Column c of the soft confusion matrix M is the mean prediction on held-out examples of class c, so that the mean
    prediction mu on the examples is M prior. Solved for

        argmin_prior |M prior - mu|^2 + ridge |prior - towards|^2,   prior in the simplex,

    by accelerated projected gradients. It needs no calibration, but as many held-out examples as tell M.

    Args:
        probs: ``[N, C]`` probabilities of the examples.
        held_out_probs: ``[K, C]`` probabilities of labeled examples that the classifier was not trained on, such as
            the folds of a cross-validation. Their class distribution does not matter.
        held_out_labels: ``[K]`` their class numbers. A class without any counts as never mistaken.
        ridge: weight of the distance to ``towards``, not negative: what M does not tell stays there.
        shrinkage: share of ``towards`` in the result, in [0, 1].
        towards: ``[C]``; by default the uniform distribution.
        steps: of the solver, at least 1.

    Returns:
        ``[C]`` in the dtype of ``probs``.

    Raises:
        ValueError: wrong shapes or dtypes, or a number out of range.

    Source: Lipton, Wang and Smola, 2018, arXiv:1802.03916; the regularisation follows Azizzadenesheli et al., 2019,
    arXiv:1903.09734.
    """
    check_float("probs", probs, ("N", "C"))
    check_float("held_out_probs", held_out_probs, ("K", probs.shape[1]))
    check_integer("held_out_labels", held_out_labels, held_out_probs.shape[:1])
    check_interval("ridge", ridge, 0, float("inf"))
    check_interval("shrinkage", shrinkage, 0, 1)
    if steps < 1:
        raise ValueError(f"steps: got {steps}; expected at least 1")
    goal = _goal(towards, torch.full_like(probs[0] if len(probs) else held_out_probs[0], 1 / probs.shape[1]))
    dtype = compute_dtype(probs, held_out_probs, goal)
    goal = goal.to(dtype)
    confusion = _soft_confusion(held_out_probs.to(dtype), held_out_labels)
    wanted = probs.to(dtype).mean(0)
    # Of the quadratic form; the Frobenius norm bounds its largest eigenvalue, and needs no decomposition.
    form = confusion.T @ confusion
    size = 1 / (torch.linalg.matrix_norm(form) + ridge)
    prior = before = goal
    for t in range(steps):
        ahead = prior + t / (t + 3) * (prior - before)
        gradient = form @ ahead - confusion.T @ wanted + ridge * (ahead - goal)
        prior, before = _onto_simplex(ahead - size * gradient), prior
    return ((1 - shrinkage) * prior + shrinkage * goal).to(probs.dtype)


def geometric_mean_prior(a: Tensor, b: Tensor) -> Tensor:
    """The geometric mean of two class distributions, normalised: halfway between them on the scale of logits.

    Args:
        a: ``[C]`` shares.
        b: ``[C]`` shares. A class that either of the two lacks has share 0.

    Returns:
        ``[C]`` in the wider dtype of the two; zeros where no class is in both.

    Raises:
        ValueError: wrong rank, dtype, or number of classes.
    """
    check_float("a", a, ("C",))
    check_float("b", b, a.shape)
    dtype = compute_dtype(a, b)
    mean = (a.to(dtype) * b.to(dtype)).sqrt()
    return (mean / mean.sum().clamp_min(torch.finfo(dtype).tiny)).to(torch.promote_types(a.dtype, b.dtype))


def _goal(towards: Tensor | None, default: Tensor) -> Tensor:
    if towards is None:
        return default
    check_float("towards", towards, default.shape)
    return towards


def _normalized(shares: Tensor, otherwise: Tensor) -> Tensor:
    """``shares`` so that they sum to one; ``otherwise`` where they are all 0, as of no examples."""
    total = shares.sum()
    known = total > 0  # False of nan, the mean of no rows
    return torch.where(known, shares / torch.where(known, total, 1.0), otherwise)


def _soft_confusion(probs: Tensor, labels: Tensor) -> Tensor:
    """``[C, C]``: column c is the mean of the rows of class c, or where there are none its one-hot."""
    classes = torch.arange(probs.shape[1], device=probs.device)
    member = (labels[:, None] == classes).to(probs.dtype)
    counts = member.sum(0)
    return torch.where(counts > 0, probs.T @ member / counts.clamp_min(1), torch.eye(len(classes)).to(probs))


def _onto_simplex(x: Tensor) -> Tensor:
    """The distribution nearest to ``x`` ``[C]`` (Duchi et al., 2008): ``max(x - theta, 0)`` with sum one."""
    falling = x.sort(descending=True).values
    ranks = torch.arange(1, len(x) + 1, device=x.device, dtype=x.dtype)
    theta = (falling.cumsum(0) - 1) / ranks
    # The first rank always counts: falling - theta is 1 there.
    last = (falling > theta).to(x.dtype).mul(ranks).argmax()
    return (x - theta.index_select(0, last[None])).clamp_min(0)

"""mixup: convex combinations of pairs of examples."""

from __future__ import annotations

import torch
from torch import Tensor

from textssl.functional._checks import (
    check_float,
    check_integer,
    check_positive,
    compute_dtype,
)


__all__ = ["join_masks", "mix", "mixup_coefficients"]

# Each candidate is accepted with probability > 0.95, so all fail with probability < 1e-20.
_CANDIDATES = 16


def mixup_coefficients(alpha: float, size: int, fold: bool = True, generator: torch.Generator | None = None) -> Tensor:
    """One lambda ~ Beta(alpha, alpha) **per example**.

    Folding to max(lambda, 1 - lambda) keeps each mixed row nearest its own, which MixMatch,
    ReMixMatch, DivideMix and MixText need; ICT and plain mixup do not fold.

    Args:
        alpha: of the Beta distribution, positive; MixMatch 0.75, MixText 16. Small values keep one
            of the pair nearly unmixed, large ones mix half and half.
        size: B, not negative.
        fold: whether to return max(lambda, 1 - lambda); True.
        generator: the source of randomness; the same state gives the same numbers. None (the
            default) is PyTorch's own CPU generator. A call takes from it a number of draws that
            depends on ``size`` alone.

    Returns:
        ``[B]`` float32 in [0, 1], or [0.5, 1] when folded, on the generator's device.

    Raises:
        ValueError: alpha not positive and finite, or a negative size.

    Source: Zhang et al., 2018, arXiv:1710.09412; folding: MixMatch, eq. 9: Berthelot et al., 2019,
    arXiv:1905.02249.
    """
    check_positive("alpha", alpha)
    if size < 0:
        raise ValueError(f"size: got {size}; expected at least 0")
    # If X and Y are Gamma(alpha), X / (X + Y) is Beta(alpha, alpha); in logs, tiny alphas are safe.
    log_gamma = _log_gamma_draws(alpha, 2 * size, generator)
    coefficients = torch.sigmoid(log_gamma[:size] - log_gamma[size:])
    return torch.maximum(coefficients, 1.0 - coefficients) if fold else coefficients


def mix(x: Tensor, coefficients: Tensor, index: Tensor) -> Tensor:
    """Blend each row with a partner: coefficients * x + (1 - coefficients) * x[index].

    Args:
        x: ``[B, ...]`` floating point: probabilities, pixels, embeddings, hidden states. Token ids
            cannot be mixed. Of padded sequences, mix under the union of both masks.
        coefficients: ``[B]``, on the device of ``x``; 1 keeps the row as it is.
        index: ``[B]`` integers in ``[0, B)``: the partner of each row.

    Returns:
        ``[B, ...]`` in the dtype of ``x``; calculated in at least float32. Gradients flow into
        both rows of a pair.

    Raises:
        ValueError: wrong rank or dtype, unequal batch sizes.

    Source: Zhang et al., 2018, arXiv:1710.09412.
    """
    if not isinstance(x, Tensor) or x.dim() == 0:
        raise ValueError(f"x: got {x!r}; expected a tensor of shape [B, ...]")
    check_float("x", x, x.shape)
    check_float("coefficients", coefficients, x.shape[:1])
    check_integer("index", index, x.shape[:1])
    dtype = compute_dtype(x)
    weight = coefficients.to(dtype).reshape(-1, *[1] * (x.dim() - 1))
    return torch.lerp(x.index_select(0, index).to(dtype), x.to(dtype), weight).to(x.dtype)


def join_masks(masks: Tensor, index: Tensor) -> Tensor:
    """The union of each row's attention mask and its partner's: what is real in either is real in their mix.

    Args:
        masks: ``[B, ...]``, larger where a position is real: 1 and 0, True and False, or 0 and a very negative
            number that is added to attention scores. A mask of pairs of positions, ``[B, 1, T, T]``, is the union's
            where padding lies on one side.
        index: ``[B]`` integers in ``[0, B)``: the partner of each row.

    Returns:
        Of the shape and dtype of ``masks``.

    Raises:
        ValueError: wrong rank, or unequal batch sizes.

    Source: the authors' advice for MixText: Chen et al., 2020, arXiv:2004.12239.
    """
    if not isinstance(masks, Tensor) or masks.dim() < 2:
        raise ValueError(f"masks: got {masks!r}; expected a tensor of shape [B, T] or more axes")
    check_integer("index", index, masks.shape[:1])
    partners = masks.index_select(0, index)
    return masks | partners if masks.dtype == torch.bool else torch.maximum(masks, partners)


def _log_gamma_draws(alpha: float, count: int, generator: torch.Generator | None) -> Tensor:
    """Logarithms of Gamma(alpha, 1) draws (Marsaglia and Tsang, 2000), ``[count]``.

    torch.distributions takes no generator, and a loop until all are accepted would wait for the
    device: this draws a fixed number of candidates and takes the first accepted.
    """
    device = generator.device if generator is not None else torch.device("cpu")
    shape = (_CANDIDATES, count)
    normal = torch.randn(shape, generator=generator, device=device)
    # 1 - rand lies in (0, 1], so its logarithm is finite.
    log_uniform = (1.0 - torch.rand(shape, generator=generator, device=device)).log()
    log_boost = (1.0 - torch.rand(count, generator=generator, device=device)).log() / alpha
    d = alpha + 1.0 - 1.0 / 3.0
    root = 1.0 + normal / (9.0 * d) ** 0.5
    log_v = 3.0 * root.clamp_min(torch.finfo(root.dtype).tiny).log()
    bound = 0.5 * normal.square() + d * (1.0 - log_v.exp() + log_v)
    accepted = (root > 0) & (log_uniform < bound)
    first = accepted.to(torch.uint8).argmax(dim=0, keepdim=True)
    return log_v.gather(0, first).squeeze(0) + log_boost

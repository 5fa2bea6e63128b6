"""Sampling of tokens with a random stream for each row of a batch.

``generate(do_sample=True)`` draws from the global random state and for the batch as a whole, so a
row depends on its company. As a logits processor of greedy decoding, the sampler here draws by
inversion from numbers that were drawn before; truncations of the distribution (top-k, top-p) play
no part.
"""

from __future__ import annotations

from typing import TYPE_CHECKING


if TYPE_CHECKING:
    import torch

__all__ = ["TokenSampler"]


class TokenSampler:
    """Leaves one token per row, drawn from softmax(logits / temperature).

    The token of row b at step t is where the cumulated distribution passes ``uniforms[b, t]``.
    Temperature 0 takes the most probable token.

    Args:
        uniforms: [B, T] numbers in [0, 1), for T steps after the one start token of a decoder.
        limits: [B] step at which ``end`` is forced.
        temperature: at least 0.
        end: token that ends a row.
    """

    def __init__(self, uniforms: torch.Tensor, limits: torch.Tensor, temperature: float, end: int) -> None:
        # Below 1 by more than a rounding of the product with the total, so some token is always
        # drawn.
        self.uniforms = uniforms.clamp(max=1 - 1e-6)
        self.limits = limits
        self.temperature = temperature
        self.end = end

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Logits [B, V] that are 0 at the drawn token and -inf elsewhere."""
        import torch

        step = input_ids.shape[1] - 1
        if self.temperature == 0:
            tokens = scores.argmax(-1, keepdim=True)
        else:
            total = (scores.float() / self.temperature).softmax(-1).cumsum(-1)
            # The right side, so that a token of probability zero is never drawn.
            draw = self.uniforms[:, step, None] * total[:, -1:]
            tokens = torch.searchsorted(total, draw, right=True)
        tokens = torch.where((step >= self.limits)[:, None], self.end, tokens)
        return torch.full_like(scores, -torch.inf).scatter(-1, tokens, 0.0)

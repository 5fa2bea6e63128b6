"""Running averages of batch statistics, equal on every process."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from textssl.state.collectives import all_mean, all_sum


__all__ = ["RecentMean", "RunningMean"]


class RunningMean(nn.Module):
    """Bias-corrected exponential moving average of a statistic.

    After t updates with x_1 ... x_t, ``value`` is sum_s decay^(t-s) x_s / sum_s decay^(t-s): the
    first update replaces ``init``, which has no weight afterwards. All state is in persistent
    buffers of at least float32.

    Args:
        init: the value before the first update, of any shape, floating point; such as the uniform
            ``[C]``.
        decay: share kept at each update, in [0, 1); 0 remembers the last batch only.

    Raises:
        ValueError: ``init`` is not floating point, or decay outside [0, 1).

    Source: the correction is that of Adam: Kingma and Ba, 2015, arXiv:1412.6980.
    """

    init: Tensor
    biased: Tensor
    correction: Tensor

    def __init__(self, init: Tensor, decay: float) -> None:
        super().__init__()
        if not init.is_floating_point():
            raise ValueError(f"init: got {init.dtype}; expected a floating-point tensor")
        if not 0 <= decay < 1:
            raise ValueError(f"decay: got {decay}; expected a number in [0, 1)")
        self.decay = decay
        start = init.detach().to(torch.promote_types(init.dtype, torch.float32), copy=True)
        self.register_buffer("init", start)
        self.register_buffer("biased", torch.zeros_like(start))
        self.register_buffer("correction", start.new_zeros(()))

    @property
    def value(self) -> Tensor:
        """The average, of the shape of ``init``; ``init`` itself before the first update."""
        tiny = torch.finfo(self.correction.dtype).tiny
        average = self.biased / self.correction.clamp_min(tiny)
        return torch.where(self.correction > 0, average, self.init)

    @torch.no_grad()
    def update(self, batch_mean: Tensor, weight: float | Tensor | None = None) -> None:
        """Average the processes' batch means, then move towards the result by ``1 - decay``.

        Every process must call it. Without weights each process counts the same.

        Args:
            batch_mean: of the shape of ``init``; this process's mean.
            weight: how much this process counts, not negative: the number of examples behind its
                mean, as a number or a tensor with one element. The step itself does not depend on
                it, except that a total weight of 0 over all processes changes nothing.
                ``batch_mean`` may be nan where the weight is 0. Give it on every process or on
                none.

        Raises:
            ValueError: ``batch_mean`` has another shape than ``init``, or ``weight`` several
                elements.
        """
        if batch_mean.shape != self.biased.shape:
            raise ValueError(
                f"batch_mean: got {list(batch_mean.shape)}; expected the shape of init, {list(self.biased.shape)}"
            )
        count = self._weight(weight)
        share = torch.where(count > 0, batch_mean.to(self.biased) * count, 0.0)
        joined = all_sum(torch.cat([share.reshape(-1), count]))
        total = joined[-1]
        mean = joined[:-1].view_as(self.biased) / total.clamp_min(torch.finfo(total.dtype).tiny)
        step = (total > 0).to(total.dtype) * (1.0 - self.decay)
        self.biased.lerp_(mean, step)
        self.correction.lerp_(torch.ones_like(self.correction), step)

    def _weight(self, weight: float | Tensor | None) -> Tensor:
        if not isinstance(weight, Tensor):
            return self.biased.new_full((1,), 1.0 if weight is None else weight)
        if weight.numel() != 1:
            raise ValueError(f"weight: got shape {list(weight.shape)}; expected one element")
        return weight.to(self.biased).reshape(1)


class RecentMean(nn.Module):
    """The plain mean of the last ``window`` batch statistics, of which those before the first update are ``init``.

    All state is in persistent buffers of at least float32: the batches, and the place of the oldest.

    Args:
        init: what stands for batches that have not been seen, of any shape, floating point; such as the uniform
            ``[C]``.
        window: number of batches, at least 1; ReMixMatch 128.

    Raises:
        ValueError: ``init`` is not floating point, or a window below 1.

    Source: ReMixMatch, sec. 3.1: Berthelot et al., 2020, arXiv:1911.09785; the start is that of the authors' code.
    """

    recent: Tensor
    oldest: Tensor

    def __init__(self, init: Tensor, window: int) -> None:
        super().__init__()
        if not init.is_floating_point():
            raise ValueError(f"init: got {init.dtype}; expected a floating-point tensor")
        if window < 1:
            raise ValueError(f"window: got {window}; expected at least 1")
        start = init.detach().to(torch.promote_types(init.dtype, torch.float32))
        self.register_buffer("recent", start.expand(window, *start.shape).clone())
        self.register_buffer("oldest", torch.zeros(1, dtype=torch.long))

    @property
    def value(self) -> Tensor:
        """The mean, of the shape of ``init``."""
        return self.recent.mean(0)

    @torch.no_grad()
    def update(self, batch_mean: Tensor) -> None:
        """Put the mean of the processes' batch means in the place of the oldest. Every process must call it.

        Raises:
            ValueError: ``batch_mean`` has another shape than ``init``.
        """
        if batch_mean.shape != self.recent.shape[1:]:
            raise ValueError(
                f"batch_mean: got {list(batch_mean.shape)}; expected the shape of init, {list(self.recent.shape[1:])}"
            )
        self.recent.index_copy_(0, self.oldest, all_mean(batch_mean.to(self.recent))[None])
        # Through the tensor, so that nothing waits for the device.
        self.oldest.add_(1).remainder_(len(self.recent))

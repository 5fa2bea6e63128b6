"""What is remembered of each example of a data set, equal on every process."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from textssl.state.collectives import all_cat


__all__ = ["ExampleMemory"]


class ExampleMemory(nn.Module):
    """A row of numbers for each of N examples, and how often each was written.

    ``values`` [N, W] float32 and ``counts`` [N] int64 are persistent buffers: a checkpoint holds them.

    Args:
        size: N, the number of examples.
        width: W, numbers per example; for probabilities the number of classes.

    Raises:
        ValueError: a size or width below 1.
    """

    values: Tensor
    counts: Tensor

    def __init__(self, size: int, width: int) -> None:
        super().__init__()
        for name, number in (("size", size), ("width", width)):
            if number < 1:
                raise ValueError(f"{name}: got {number}; expected at least 1")
        self.register_buffer("values", torch.zeros(size, width))
        self.register_buffer("counts", torch.zeros(size, dtype=torch.long))

    def read(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """Values [B, W] and counts [B] of the examples ``index`` [B]."""
        return self.values.index_select(0, index), self.counts.index_select(0, index)

    @torch.no_grad()
    def write(self, index: Tensor, values: Tensor) -> None:
        """Replace what is remembered, from the rows of all processes.

        Every process must call it with equally many rows. Of an example that occurs several times the mean of its
        rows is kept, and counts once: the order of rows and processes does not matter.

        Args:
            index: ``[B]`` integers, this process's examples.
            values: ``[B, W]`` floating point.

        Raises:
            ValueError: shapes that do not fit.
        """
        if values.shape != (len(index), self.values.shape[1]):
            raise ValueError(
                f"values: got {list(values.shape)}; expected shape [{len(index)}, {self.values.shape[1]}]"
            )
        if not len(index):
            return
        index = all_cat(index)
        rows = all_cat(values.to(self.values))
        # Equal rows for equal examples, without a wait for the device: B is the size of a batch.
        same = (index.unsqueeze(0) == index.unsqueeze(1)).to(rows.dtype)
        count = same.sum(dim=1, keepdim=True)
        # A matrix product may be rounded (TF32), and carries a row that is not finite to all others.
        mean = torch.where(count > 1, same @ rows / count, rows)
        # Rows of one example differ by rounding alone: the first stands for all.
        first = same.argmax(dim=1)
        self.values.index_copy_(0, index, mean.index_select(0, first))
        self.counts.index_copy_(0, index, self.counts.index_select(0, index) + 1)

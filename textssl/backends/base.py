"""What an objective may do with a model: run it on rows of any views, and reach its continuous input."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from .passes import plan_passes


__all__ = ["Backend", "Forward", "Inputs"]

# One view of some examples as the collator made it: tensors with B rows, and "lengths", a list of B ints
# that lives on the host, so that planning a pass never waits for the device.
Inputs = dict[str, Any]


class Backend:
    """Joins, cuts and embeds the inputs of one modality. Rows are examples."""

    def size(self, inputs: Inputs) -> int:
        """Number of rows."""
        raise NotImplementedError

    def lengths(self, inputs: Inputs) -> list[int]:
        """Length of each row, in positions; equal for all rows where there is no padding."""
        raise NotImplementedError

    def join(self, many: Sequence[Inputs]) -> Inputs:
        """All rows of ``many``, in order, padded to a common width."""
        raise NotImplementedError

    def take(self, inputs: Inputs, rows: Sequence[int]) -> Inputs:
        """The named rows, cut to the longest of them."""
        raise NotImplementedError

    def tensors(self, inputs: Inputs) -> dict[str, Tensor]:
        """The part of ``inputs`` that the model accepts."""
        return {key: value for key, value in inputs.items() if isinstance(value, Tensor)}

    def embed(self, model: nn.Module, inputs: Inputs) -> Tensor:
        """The continuous input [B, ...] that a perturbation or a mix acts on."""
        raise NotImplementedError

    def from_embedding(self, inputs: Inputs, embedding: Tensor) -> Inputs:
        """``inputs`` with their continuous form replaced by ``embedding``."""
        raise NotImplementedError


class Forward:
    """Runs the student, or another model, on views.

    Args:
        model: the student as the trainer wrapped it (DDP).
        unwrapped: the student itself.
        backend: text or images.
        autocast: makes the context of mixed precision, for each call of a model.
        pass_overhead: cost of one more pass, in padded positions; ``None`` joins all rows in one pass.
    """

    def __init__(
        self,
        model: nn.Module,
        unwrapped: nn.Module,
        backend: Backend,
        autocast: Callable[[], AbstractContextManager[Any]] = nullcontext,
        pass_overhead: int | None = None,
    ) -> None:
        self.model = model
        self.unwrapped = unwrapped
        self.backend = backend
        self.autocast = autocast
        self.pass_overhead = pass_overhead

    def __call__(self, *inputs: Inputs, model: nn.Module | None = None, dropout: bool = True) -> list[Tensor]:
        """Logits [B_i, C] in float32 for each of ``inputs``.

        Rows of all inputs are sorted by length and run in a few passes of like length, which changes the
        logits by rounding only. Inputs without rows give logits [0, C] and cost nothing.

        Args:
            *inputs: views.
            model: run this model in place of the student.
            dropout: ``False`` runs the model in evaluation mode, and restores its mode.
        """
        network = self.model if model is None else model
        filled = [i for i in inputs if self.backend.size(i)]
        if not filled:
            raise ValueError("inputs: all are empty; expected at least one row")
        with nullcontext() if dropout else _evaluating(network):
            logits = self._run(network, self.backend.join(filled) if len(filled) > 1 else filled[0])
        return list(logits.split([self.backend.size(i) for i in inputs]))

    def _run(self, network: nn.Module, joined: Inputs) -> Tensor:
        passes = plan_passes(self.backend.lengths(joined), self.pass_overhead)
        if len(passes) == 1:
            return self._logits(network, joined)
        parts = [self._logits(network, self.backend.take(joined, rows)) for rows in passes]
        order = [row for rows in passes for row in rows]
        back = sorted(range(len(order)), key=order.__getitem__)
        return torch.cat(parts).index_select(0, _on_device(back, parts[0].device))

    def _logits(self, network: nn.Module, inputs: Inputs) -> Tensor:
        with self.autocast():
            logits: Tensor = network(**self.backend.tensors(inputs)).logits
        return logits.float()

    def take(self, inputs: Inputs, rows: Sequence[int]) -> Inputs:
        """The named rows of a view, so that a method need not pay for the others."""
        return self.backend.take(inputs, rows)

    def embed(self, inputs: Inputs) -> Tensor:
        """The student's continuous input: word embeddings [B, T, H] for text, pixels for images."""
        return self.backend.embed(self.unwrapped, inputs)

    def from_embedding(self, inputs: Inputs, embedding: Tensor) -> Inputs:
        """``inputs`` with ``embedding`` in place of what it was computed from."""
        return self.backend.from_embedding(inputs, embedding)


def _on_device(rows: Sequence[int], device: torch.device) -> Tensor:
    index = torch.tensor(rows, dtype=torch.long)
    return index.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else index


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode for a while. Only modules that were training are set back to it."""
    training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True

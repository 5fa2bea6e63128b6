"""The contract of a backend: what each modality must tell to join, cut and embed its inputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from torch import Tensor, nn

from ..errors import UserError


__all__ = ["Backend", "Inputs"]

# One view of some examples as the collator made it: tensors with B rows; "lengths", a list of B ints that lives on
# the host, so that planning a pass never waits for the device; and "stream", the stream that the rows are of.
Inputs = dict[str, Any]


class Backend:
    """Joins, cuts and embeds the inputs of one modality. Rows are examples.

    Attributes:
        pretext: name of the task that needs no labels, ``None`` where there is none: which of ``pretext_classes``
            changes an input went through.
        pretext_classes: number of these changes, the first of which is none.
    """

    pretext: ClassVar[str | None] = None
    pretext_classes: ClassVar[int] = 0

    def size(self, inputs: Inputs) -> int:
        """Number of rows."""
        raise NotImplementedError

    def lengths(self, inputs: Inputs) -> list[int]:
        """Length of each row, in positions; equal for all rows where there is no padding."""
        lengths: list[int] = inputs["lengths"]
        return lengths

    def join(self, many: Sequence[Inputs]) -> Inputs:
        """All rows of ``many``, in order, padded to a common width."""
        raise NotImplementedError

    def take(self, inputs: Inputs, rows: Sequence[int]) -> Inputs:
        """The named rows, cut to the longest of them."""
        raise NotImplementedError

    def tensors(self, inputs: Inputs) -> dict[str, Tensor]:
        """The part of ``inputs`` that the model accepts."""
        return {key: value for key, value in inputs.items() if isinstance(value, Tensor)}

    def check_continuous(self, model: nn.Module) -> None:
        """Raise UserError unless the model accepts the continuous input in place of the ordinary one."""

    def check_pooled(self, model: nn.Module) -> None:
        """Raise UserError unless the model's last linear layer reads one vector of each example."""

    def check_hidden(self, model: nn.Module, numbers: list[int]) -> None:
        """Raise UserError unless the outputs of hidden layers ``numbers``, from 1, can be mixed."""
        raise UserError(f"mix_at: got 'hidden'; {type(model).__name__} has no hidden layers that can be mixed")

    def changed(self, inputs: Inputs, classes: Sequence[int]) -> Inputs:
        """Inputs of which row b went through change ``classes[b]`` of the pretext task."""
        raise NotImplementedError

    def embed(self, model: nn.Module, inputs: Inputs) -> Tensor:
        """The continuous input [B, ...] that a perturbation or a mix acts on."""
        raise NotImplementedError

    def from_embedding(self, inputs: Inputs, embedding: Tensor) -> Inputs:
        """``inputs`` with their continuous form replaced by ``embedding``."""
        raise NotImplementedError

    def mask(self, inputs: Inputs) -> Tensor | None:
        """[B, T], 1 where the continuous input is real and 0 on padding; ``None`` where there is no padding."""
        return None

    def mixable(self, inputs: Inputs, index: Sequence[int]) -> Inputs:
        """``inputs`` that may hold mixes of row b with row ``index[b]``: real wherever either of them is."""
        return inputs

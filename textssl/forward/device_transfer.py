"""From the host to the device without waiting for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor


__all__ = ["inputs_to_device", "rows_on", "to_device"]


def to_device(x: Tensor, device: torch.device) -> Tensor:
    """``x``, a tensor on the host, on ``device``: from pinned memory where that spares a wait."""
    return x.contiguous().pin_memory().to(device, non_blocking=True) if device.type == "cuda" else x.to(device)


def inputs_to_device(inputs: Mapping[str, Any], device: torch.device) -> dict[str, Any]:
    """The tensors of ``inputs``, which are on the host, on ``device``; what is no tensor stays as it is."""
    return {name: to_device(x, device) if isinstance(x, Tensor) else x for name, x in inputs.items()}


def rows_on(rows: Sequence[int] | Sequence[Sequence[int]], device: torch.device) -> Tensor:
    """Numbers of rows as a tensor on ``device``."""
    return to_device(torch.tensor(rows, dtype=torch.long), device)

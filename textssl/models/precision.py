"""Whether a device computes in bfloat16 by itself."""

from __future__ import annotations

import torch


__all__ = ["computes_in_bfloat16"]


def computes_in_bfloat16(device: torch.device) -> bool:
    """Whether bfloat16 is native to ``device``: where it is emulated it only costs time."""
    if device.type == "cpu":
        return bool(getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)())
    return device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)

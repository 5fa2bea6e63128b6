"""Which preset fits this machine, and what its processor can do."""

from __future__ import annotations

from typing import Any

import torch


__all__ = ["cpu_precision", "fitting_preset"]


def fitting_preset() -> tuple[str, str]:
    """``paper`` where an accelerator is found, else ``cpu``; and the reason, for a person."""
    accelerator = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    if accelerator is not None and accelerator.type != "cpu":
        return "paper", f"an accelerator was found ({accelerator.type})"
    return "cpu", "no accelerator was found"


def cpu_precision() -> dict[str, Any]:
    """Settings of a run on the processor: bfloat16 where it computes in it."""
    native = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)()
    return {"use_cpu": True, "bf16": bool(native)}

"""Processor, memory and accelerators, as PyTorch sees them."""

from __future__ import annotations

import os
import platform
from typing import Any

from .part import FINE, MISSING, Part


__all__ = ["machine_parts"]

GIB = 1 << 30


def machine_parts() -> list[Part]:
    """What computes here."""
    import psutil
    import torch

    from ..models.precision import computes_in_bfloat16

    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory = psutil.virtual_memory()
    bfloat16 = "computes in bfloat16" if computes_in_bfloat16(torch.device("cpu")) else "no bfloat16"
    cores = f"{usable} of {os.cpu_count()} cores" if usable != os.cpu_count() else f"{usable} cores"
    return [
        Part("Python", FINE, f"{platform.python_version()} on {platform.system()} {platform.machine()}"),
        Part("processor", FINE, f"{cores}; PyTorch uses {torch.get_num_threads()} threads; {bfloat16}"),
        Part("memory", FINE, f"{memory.total / GIB:.1f} GiB, {memory.available / GIB:.1f} GiB of it free"),
        *_accelerators(torch),
    ]


def _accelerators(torch: Any) -> list[Part]:
    """Devices that training would use; one line where there are none."""
    parts = [_cuda(torch, number) for number in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    if torch.backends.mps.is_available():
        parts.append(Part("mps", FINE, "the GPU of a Mac"))
    if hasattr(torch, "xpu") and torch.xpu.is_available():
        parts += [Part(f"xpu:{n}", FINE, torch.xpu.get_device_name(n)) for n in range(torch.xpu.device_count())]
    if parts:
        return parts
    built = f"PyTorch {torch.__version__}" + (f" is built for CUDA {torch.version.cuda}" if torch.version.cuda else "")
    return [Part("accelerator", MISSING, f"none found ({built})", "training of larger models; the preset is cpu")]


def _cuda(torch: Any, number: int) -> Part:
    seen = torch.cuda.get_device_properties(number)
    bfloat16 = "bfloat16" if seen.major >= 8 else "no fast bfloat16"
    return Part(f"cuda:{number}", FINE, f"{seen.name}, {seen.total_memory / GIB:.0f} GiB, {bfloat16}")

"""The device that the checks in this folder run on."""

from __future__ import annotations

import os

import torch


__all__ = ["DEVICE", "record", "why_not"]

# "cpu" runs the same checks without a GPU, to try the checks themselves.
DEVICE = os.environ.get("TEXTSSL_GPU_CHECK_DEVICE", "cuda")


def why_not() -> str | None:
    """Why nothing can be checked here, or ``None``."""
    if DEVICE == "cuda" and not torch.cuda.is_available():
        return f"no CUDA device is visible to PyTorch {torch.__version__}"
    return None


def record(kind: str, name: str, value: float) -> None:
    """Add a measured value to what ``make gpu`` reports; nothing outside it."""
    path = os.environ.get("TEXTSSL_GPU_CHECK_RECORDS")
    if path is not None:
        # One short write in append mode: test processes share the file.
        with open(path, "a", encoding="utf-8") as file:
            file.write(f"{kind}\t{name}\t{value!r}\n")

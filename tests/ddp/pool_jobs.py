"""Jobs of the tests of the pool, in a module that is quick to import."""

from __future__ import annotations

import os
import time
from typing import Any

import torch
import torch.distributed as dist

from textssl.state import rank, world_size


def described(folder: str, numbers: list[int]) -> dict[str, Any]:
    total = torch.tensor(float(dist.get_rank() + 1))
    dist.all_reduce(total)
    return {
        "rank": rank(),
        "processes": world_size(),
        "sum": total,
        "given": [folder, numbers],
        "process": os.getpid(),
    }


def leave_traces() -> dict[str, Any]:
    found = traces("bf16")
    os.environ["ACCELERATE_MIXED_PRECISION"] = "bf16"
    return found


def traces(precision: str | None = None) -> dict[str, Any]:
    from accelerate import Accelerator

    accelerator = Accelerator(cpu=True, mixed_precision=precision)
    return {
        "precision": accelerator.mixed_precision,
        "processes": accelerator.num_processes,
        "draw": float(torch.rand(())),
    }


def hang_on_the_first() -> None:
    if dist.get_rank() == 0:
        time.sleep(600)


def die_on_the_first_and_fail_on_the_second() -> None:
    if dist.get_rank() == 0:
        os._exit(3)
    raise ValueError("the second process cannot")

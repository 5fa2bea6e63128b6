"""Run a function on two gloo processes and bring back what each returns."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from textssl.state import rank, world_size


def run_on_two(function: Callable[[], Any], folder: Path) -> list[Any]:
    """``[function() on rank 0, function() on rank 1]``; ``function`` is a module's, to be sent."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        mp.spawn(_worker, args=(function, str(folder)), nprocs=2, join=True)
    return [torch.load(folder / f"{r}.pt", weights_only=True) for r in range(2)]


def _worker(number: int, function: Callable[[], Any], folder: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/rendezvous", rank=number, world_size=2)
    try:
        assert (world_size(), rank()) == (2, number)
        torch.save(function(), Path(folder) / f"{number}.pt")
        dist.barrier()
    finally:
        dist.destroy_process_group()

"""How much of the machine a comparison may use."""

from __future__ import annotations

import os
from pathlib import Path


__all__ = ["available_memory", "cores", "default_jobs", "threads_of"]

# Of a process that fine-tunes a small encoder.
BYTES = 2 << 30
CGROUP = Path("/sys/fs/cgroup")


def cores() -> int:
    """Processors that this program may run on."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1


def available_memory() -> int:
    """Bytes that are free, of the machine and of the container."""
    import psutil

    free = int(psutil.virtual_memory().available)
    try:
        limit, used = ((CGROUP / f"memory.{name}").read_text().strip() for name in ("max", "current"))
        return min(free, int(limit) - int(used))
    except (OSError, ValueError):
        # No container, or one without a limit.
        return free


def default_jobs(processors: int, memory: int) -> int:
    """How many cells are trained at a time: one a processor, while there is memory.

    Args:
        processors: that may be used.
        memory: bytes that are free.
    """
    return max(1, min(processors, memory // BYTES))


def threads_of(jobs: int, processors: int) -> int:
    """Threads of each of some processes; ``OMP_NUM_THREADS`` bounds them."""
    threads, bound = max(1, processors // jobs), os.environ.get("OMP_NUM_THREADS", "")
    return min(threads, int(bound)) if bound.isdigit() and int(bound) else threads

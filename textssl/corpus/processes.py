"""Jobs that several processes share, and jobs that one process does alone."""

from __future__ import annotations

import os
from typing import Any

from ..errors import UserError


__all__ = ["check_one_process", "joined_processes"]


def joined_processes() -> Any:
    """The state of Accelerate, of all processes that a launcher has started.

    Without an accelerator Accelerate joins processes only where it is told that they are to compute on the CPU.
    """
    import torch
    from accelerate import PartialState

    several = int(os.environ.get("WORLD_SIZE", "1")) > 1
    return PartialState(cpu=True) if several and not torch.accelerator.is_available() else PartialState()


def check_one_process(command: str) -> None:
    """Raise UserError where a launcher has started several processes.

    Args:
        command: what they were started for.
    """
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count > 1:
        raise UserError(
            f"num_processes: got {count}; {command} runs in one process: start it without a launcher, or share its "
            "work by --engine ray where it has that flag"
        )

"""Jobs that one process does alone."""

from __future__ import annotations

import os

from ..errors import UserError


__all__ = ["check_one_process"]


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

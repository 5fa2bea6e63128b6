"""How a program ends: a person's mistake is one line and exit 2, anything else a traceback."""

from __future__ import annotations

import gc
import os
import sys
import time
from collections.abc import Callable
from typing import NoReturn

from ..errors import UserError
from ..files import is_disk_full
from ..secrets import environment_tokens, redacted


__all__ = ["run_program"]

# Seconds that another process gives the first one to make the same mistake.
PATIENCE = 15.0


def run_program(
    main: Callable[[], object],
    again: str = "--resume_from_checkpoint",
    resumes: str = "resumes from the last checkpoint",
) -> NoReturn:
    """Call ``main`` and exit: 0 or what it returns, 2 after a UserError or on a full disk, 130 after Ctrl-C.

    Of several processes the first one speaks; another one only if its mistake was not that of the first.

    Args:
        main: the program.
        again: the flag that resumes an interrupted program, or whatever does.
        resumes: what it does, in words.
    """
    try:
        status = main()
    except UserError as error:
        _refuse(f"error: {' '.join(str(error).split())}")
    except Exception as error:
        if not is_disk_full(error):
            _wait_for_the_first()
            raise
        reason = " ".join(str(error).split())
        _refuse(f"error: the disk is full ({reason}); once there is room, {again} resumes")
    except KeyboardInterrupt:
        if _is_first():
            _say(f"interrupted; {again} {resumes}")
        sys.exit(130)
    _leave_group()
    sys.exit(status if isinstance(status, int) else 0)


def _leave_group() -> None:
    """End the process group with its threads: one of gloo's that outlives the interpreter aborts the process."""
    # Commands that do not need torch do not wait for it.
    dist = sys.modules.get("torch.distributed")
    if dist is not None and dist.is_available() and dist.is_initialized():
        # A trainer is garbage in a cycle, and holds the group: destroyed before, its threads would live on.
        gc.collect()
        dist.destroy_process_group()


def _refuse(message: str) -> NoReturn:
    _wait_for_the_first()
    _say(message)
    sys.exit(2)


def _wait_for_the_first() -> None:
    """Let the first process speak: the launcher ends all with the one that ends first.

    What another one meets is often only that the first one has left.
    """
    if not _is_first():
        time.sleep(PATIENCE)


def _is_first() -> bool:
    return os.environ.get("RANK", "0") == "0"


def _say(message: str) -> None:
    # A bar that is still drawn would run into the message, and be drawn again after it.
    bars = getattr(sys.modules.get("tqdm"), "tqdm", None)
    for bar in list(getattr(bars, "_instances", [])):
        bar.close()
    print(redacted(message, environment_tokens()), file=sys.stderr, flush=True)

"""Runs a script, and at a certain moment kills its process with SIGKILL or fills the disk.

usage: at_moment.py kill|fill opens|makes|logs PATTERN SCRIPT [ARGUMENT ...]

The moment is when the process opens a file or makes a folder whose path holds the regular expression
PATTERN, or a trainer logs figures that print as such a text. From inside, because from outside the tiny run is faster
than a poll.
"""

from __future__ import annotations

import os
import re
import resource
import runpy
import signal
import sys
from typing import Any, NoReturn


EVENTS = {"opens": "open", "makes": "os.mkdir"}


def kill() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise SystemExit("survived SIGKILL")


def fill() -> None:
    """Let no file grow any more: writes fail as on a full disk, with EFBIG in the place of ENOSPC."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))


def main() -> None:
    act = {"kill": kill, "fill": fill}[sys.argv[1]]
    what, pattern = sys.argv[2], re.compile(sys.argv[3])
    sys.argv = sys.argv[4:]
    if what == "logs":
        from transformers.trainer_callback import CallbackHandler

        on_log = CallbackHandler.on_log

        def watched(handler: Any, args: Any, state: Any, control: Any, logs: Any) -> Any:
            if pattern.search(repr(logs)):
                act()
            return on_log(handler, args, state, control, logs)

        CallbackHandler.on_log = watched  # type: ignore[method-assign]
    else:

        def hook(event: str, arguments: tuple[Any, ...]) -> None:
            if event == EVENTS[what] and pattern.search(os.fsdecode(arguments[0]) if named(arguments[0]) else ""):
                act()

        sys.addaudithook(hook)
    runpy.run_path(sys.argv[0], run_name="__main__")


def named(path: Any) -> bool:
    """Whether a file is opened by name and not by its descriptor."""
    return isinstance(path, str | bytes | os.PathLike)


if __name__ == "__main__":
    main()

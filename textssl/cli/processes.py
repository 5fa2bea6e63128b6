"""Several processes of one command on this machine, as a launcher starts them, whose mistake is one line."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from typing import IO

from ..errors import UserError


__all__ = ["run_in_processes"]

# Seconds between two looks at the processes, and those that one has to end when it is told to.
LOOK, ENDING = 0.1, 10.0
# Statuses of a process that has told its reason, or was interrupted.
TOLD = (2, 130)


def run_in_processes(command: Sequence[str], count: int) -> int:
    """Run a command in ``count`` processes that find each other; return the status of the first that failed, or 0.

    The first process prints as ever. What another one writes to standard error is shown only if it failed by itself.

    Args:
        command: program and arguments.
        count: how many processes.

    Raises:
        UserError: a count below 1.
    """
    if count < 1:
        raise UserError(f"processes: got {count}; expected at least 1")
    with ExitStack() as files:
        notes = [None, *(files.enter_context(tempfile.TemporaryFile()) for _ in range(count - 1))]
        started = _started(command, notes)
        try:
            failed = _first_failure(started)
        except KeyboardInterrupt:
            # A terminal tells all processes, a program that sends the signal this one alone.
            for process in started:
                process.send_signal(signal.SIGINT)
            started[0].wait()
            failed = 0
        finally:
            _end(started)
        if failed is None:
            return 0
        note = notes[failed]
        if note is not None and started[0].returncode not in TOLD:
            note.seek(0)
            sys.stderr.write(note.read().decode(errors="replace"))
        return max(started[failed].returncode, 1)


def _started(command: Sequence[str], notes: Sequence[IO[bytes] | None]) -> list[subprocess.Popen[bytes]]:
    """One process for each file that takes its standard error; the first one has this process's."""
    count = len(notes)
    shared = {**os.environ, "WORLD_SIZE": str(count), "LOCAL_WORLD_SIZE": str(count), "MASTER_ADDR": "127.0.0.1"}
    shared["MASTER_PORT"] = str(_free_port())
    shared.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // count)))
    return [
        subprocess.Popen(
            list(command),
            env={**shared, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=None if rank == 0 else subprocess.DEVNULL,
            stderr=note,
        )
        for rank, note in enumerate(notes)
    ]


def _first_failure(started: Sequence[subprocess.Popen[bytes]]) -> int | None:
    """Number of the process that fails first, of several at once the lowest; ``None`` once all have ended well."""
    while True:
        statuses = [process.poll() for process in started]
        failed = next((rank for rank, status in enumerate(statuses) if status), None)
        if failed is not None or None not in statuses:
            return failed
        time.sleep(LOOK)


def _end(started: Sequence[subprocess.Popen[bytes]]) -> None:
    for process in started:
        if process.poll() is None:
            process.terminate()
    for process in started:
        try:
            process.wait(ENDING)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port

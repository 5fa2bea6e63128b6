"""Processes of the cells of a comparison: each has a log, some threads, a way to answer, and ends with its parent."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from ...errors import UserError
from ..quiet import silence_other_libraries
from ..run.log_file import print_into


__all__ = ["Answer", "Processes", "Running"]

# What the cells import, which takes longer than a short training.
IMPORTED_ONCE = (
    "textssl.cli.compare.checks",
    "textssl.cli.compare.cells",
    "matplotlib.backends.backend_agg",
    "sentence_transformers",
)
# Devices of NVIDIA's and AMD's drivers: a process that has seen them must not be forked.
ACCELERATORS = ("/dev/nvidiactl", "/dev/kfd")
# Seconds that a process has to end by itself.
PATIENCE = 5.0


@dataclass(frozen=True)
class Answer:
    """How a process ended.

    Attributes:
        value: what its function returned; ``None`` where it failed.
        reason: why it failed, one line; ``None`` where it did not.
    """

    value: Any = None
    reason: str | None = None


class Running:
    """A process at work."""

    def __init__(self, process: Any, answers: Connection) -> None:
        self.process, self.answers = process, answers

    def answer(self) -> Answer:
        """Its answer, once it has ended or answered."""
        try:
            answer: Answer = self.answers.recv()
        except (EOFError, OSError):
            self.process.join()
            answer = Answer(reason=_how_it_ended(self.process.exitcode))
        self.answers.close()
        self.process.join()
        return answer

    def stop(self) -> None:
        """Have it end, by force if need be."""
        self.process.terminate()
        self.process.join(PATIENCE)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()


class Processes:
    """Starts processes and waits for them.

    On Linux without an accelerator they are forked from one process that has imported what they need; elsewhere each
    imports it itself.

    Args:
        threads: of each process.
        imported_once: modules.
    """

    def __init__(self, threads: int = 1, imported_once: Sequence[str] = IMPORTED_ONCE) -> None:
        forks = sys.platform == "linux" and not any(map(os.path.exists, ACCELERATORS))
        self._context: Any = multiprocessing.get_context("forkserver" if forks else "spawn")
        if forks:
            self._context.set_forkserver_preload([*imported_once])
        self.threads = threads

    def start(
        self, function: str, *arguments: Any, log: Path | None = None, variables: dict[str, str] | None = None
    ) -> Running:
        """Call a function in a process of its own.

        Args:
            function: ``module:name``; this process need not import it.
            *arguments: of the function.
            log: what takes all that it prints; without one that goes to standard error.
            variables: of its environment.
        """
        here, there = self._context.Pipe(duplex=False)
        own = {"OMP_NUM_THREADS": str(self.threads), **(variables or {})}
        process = self._context.Process(target=_work, args=(function, arguments, log, own, there))
        # A cell that is stopped leaves semaphores behind, which multiprocessing removes with a warning.
        warnings = ",".join(filter(None, [os.environ.get("PYTHONWARNINGS"), "ignore:resource_tracker:UserWarning"]))
        with _started_quietly({"OMP_NUM_THREADS": str(self.threads), "PYTHONWARNINGS": warnings}):
            process.start()
        there.close()
        return Running(process, here)

    def wait(self, running: Sequence[Running], seconds: float | None = None) -> list[Running]:
        """Those that have answered or ended, at the latest after some seconds."""
        ready = set(wait([one.answers for one in running], seconds))
        return [one for one in running if one.answers in ready]


def _work(
    function: str, arguments: tuple[Any, ...], log: Path | None, variables: dict[str, str], out: Connection
) -> None:
    """The whole of a process."""
    # Ctrl-C reaches all processes of a terminal; the parent decides what becomes of this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.environ.update(variables)
    print_into(log)
    silence_other_libraries()
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(int(variables["OMP_NUM_THREADS"]))
    try:
        module, _, name = function.partition(":")
        answer = Answer(getattr(import_module(module), name)(*arguments))
    except UserError as error:
        answer = Answer(reason=" ".join(str(error).split()))
        if log is not None:
            print(f"error: {answer.reason}", file=sys.stderr)
    except BaseException as error:
        traceback.print_exc()
        answer = Answer(reason=" ".join(f"{type(error).__name__}: {error}".split()))
    sys.stdout.flush()
    sys.stderr.flush()
    out.send(answer)
    out.close()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _how_it_ended(status: int | None) -> str:
    if status is None or status >= 0:
        return f"the process ended with status {status} and no result"
    name = signal.Signals(-status).name
    hint = ", as where memory is short: try fewer --jobs" if name == "SIGKILL" else ""
    return f"the process was ended by {name}{hint}"


@contextmanager
def _started_quietly(variables: dict[str, str]) -> Iterator[None]:
    """Start processes with some variables of the environment, and deaf to Ctrl-C from their first moment."""
    before = {name: os.environ.get(name) for name in variables}
    # Not elsewhere: signals are the main thread's.
    main = threading.current_thread() is threading.main_thread()
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN) if main else None
    os.environ.update(variables)
    try:
        yield
    finally:
        if main:
            signal.signal(signal.SIGINT, handler)
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value

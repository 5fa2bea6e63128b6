"""Two gloo processes that live as long as a session of tests, and run one job after another."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


__all__ = ["JobError", "TwoProcesses"]

ROOT = Path(__file__).parents[2]
# Seconds of one job, and of the start of both processes, on a machine that has other work.
JOB_LIMIT, START_LIMIT = 120.0, 300.0
# Seconds that the other process has to answer once one of them failed.
GRACE = 5.0


class JobError(Exception):
    """A job that raised, died or did not end in time on one process or on both."""


class TwoProcesses:
    """Runs functions on two processes of one gloo group.

    The processes start with the first job. After a job that failed or was stuck, both are ended, and the next job
    starts new ones.

    Args:
        folder: where results and logs are written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._workers: list[subprocess.Popen[str]] = []
        self._answers: queue.SimpleQueue[tuple[int, str]] = queue.SimpleQueue()
        self._starts = self._jobs = 0

    def run(self, function: Callable[..., Any], *, limit: float = JOB_LIMIT, **arguments: Any) -> list[Any]:
        """Return ``[function(**arguments) on rank 0, the same on rank 1]``.

        Args:
            function: a module's own; the processes import it by name.
            limit: seconds, without the start of the processes.
            **arguments: JSON values and paths; a path arrives as a string.

        Returns:
            What ``torch.load(..., weights_only=True)`` reads: tensors, numbers, strings, lists and dictionaries.

        Raises:
            JobError: it failed on one of them; with the traceback, or the last lines of the log.
        """
        if not self._workers:
            self._start()
        self._jobs += 1
        out = self.folder / f"job{self._jobs}"
        out.mkdir()
        name = f"{function.__module__}:{function.__qualname__}"
        job = {"function": name, "arguments": arguments, "out": out}
        self._send(json.dumps(job, default=os.fspath))
        self._expect_answers(name, limit)
        # Not at the top: whatever imports this module would wait for it.
        import torch

        return [torch.load(out / f"{rank}.pt", weights_only=True) for rank in range(2)]

    def close(self) -> None:
        """End both processes."""
        for worker in self._workers:
            worker.kill()
        for worker in self._workers:
            worker.wait()
            for pipe in (worker.stdin, worker.stdout):
                assert pipe is not None
                pipe.close()
        self._workers = []

    def _start(self) -> None:
        self._starts += 1
        self._answers = queue.SimpleQueue()
        rendezvous = self.folder / f"rendezvous{self._starts}"
        for rank in range(2):
            paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
            env = {
                **os.environ,
                **{"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"},
                **{"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": os.pathsep.join(paths)},
            }
            with self._log(rank).open("wb") as log:
                command = [sys.executable, "-m", "tests.ddp.worker", str(rendezvous)]
                pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": log}
                worker = subprocess.Popen(command, cwd=ROOT, env=env, text=True, **pipes)
            self._workers.append(worker)
            threading.Thread(target=_read, args=(rank, worker, self._answers), daemon=True).start()
        self._expect_answers("the start of two processes", START_LIMIT)

    def _send(self, line: str) -> None:
        for worker in self._workers:
            assert worker.stdin is not None
            worker.stdin.write(f"{line}\n")
            worker.stdin.flush()

    def _expect_answers(self, name: str, limit: float) -> None:
        """Wait for both; raise JobError, with both processes ended, unless both succeeded."""
        end, waiting, failures = time.monotonic() + limit, {0, 1}, []
        while waiting:
            try:
                rank, answer = self._answers.get(timeout=max(end - time.monotonic(), 0))
            except queue.Empty:
                break
            waiting.discard(rank)
            if answer:
                failures.append(f"rank {rank}: {answer}")
                end = min(end, time.monotonic() + GRACE)
        if not waiting and not failures:
            return
        why = "waited for the other" if failures else f"no answer within {limit:g} s"
        failures += [f"rank {rank}: {why}; it was here:\n{self._last_lines(rank)}" for rank in sorted(waiting)]
        self.close()
        raise JobError(f"{name} failed on two processes\n" + "\n".join(failures))

    def _last_lines(self, rank: int) -> str:
        """The end of a process's log, after it wrote its stacks there."""
        if self._workers[rank].poll() is None:
            self._workers[rank].send_signal(signal.SIGUSR1)
            time.sleep(0.5)
        return self._log(rank).read_text(errors="replace")[-4000:]

    def _log(self, rank: int) -> Path:
        return self.folder / f"start{self._starts}-rank{rank}.log"


def _read(rank: int, worker: subprocess.Popen[str], answers: queue.SimpleQueue[tuple[int, str]]) -> None:
    """Hand over what a process answers: an empty string where it succeeded, else what went wrong."""
    assert worker.stdout is not None
    try:
        for line in worker.stdout:
            answers.put((rank, json.loads(line)))
        answers.put((rank, f"ended with exit code {worker.wait()}"))
    except ValueError:
        # The pipe was closed with the pool.
        return

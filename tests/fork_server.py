"""Runs Python programs in processes of their own that need not import PyTorch and Transformers first.

Most of what a short program takes is the import of both. One process imports them and then forks for each program.
Only what is imported differs from ``subprocess.run([sys.executable, ...])``: a program has the environment, the
folder, the arguments and the end that it would have. Variables that huggingface_hub reads when it is imported have
the values of the tests, so a program with a Hub of its own needs a process of its own.

usage: python -m tests.fork_server SOCKET, where SOCKET is a descriptor
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import random
import runpy
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path


__all__ = ["run_python"]

ROOT = Path(__file__).parents[1]
# Bytes of a request, most of which are variables of the environment.
LONGEST = 1 << 18
# Seconds until both libraries are imported, on a machine that has other work.
START_LIMIT = 300.0


def run_python(
    command: Sequence[str | Path],
    *,
    cwd: Path | str | None = None,
    env: Mapping[str, str] | None = None,
    timeout: float = 300.0,
) -> subprocess.CompletedProcess[str]:
    """Run ``python *command`` and return its exit status and what it wrote.

    Args:
        command: a script and its arguments, or ``-c``, a program and its arguments.
        cwd: the folder that it runs in, by default that of the tests.
        env: its environment, by default that of the tests.
        timeout: seconds.

    Raises:
        subprocess.TimeoutExpired: the program was ended after ``timeout`` seconds.
    """
    words = [str(word) for word in command]
    request = {"command": words, "cwd": str(cwd or Path.cwd()), "env": dict(os.environ if env is None else env)}
    server = _server()
    # Pipes, as subprocess has them: a limit of the size of files is none of what a program prints.
    outputs = [os.pipe() for _ in range(2)]
    socket.send_fds(server, [json.dumps(request).encode()], [write for _, write in outputs])
    for _, write in outputs:
        os.close(write)
    with ThreadPoolExecutor() as readers:
        texts = list(readers.submit(_read, read) for read, _ in outputs)
        child = _answer(server, START_LIMIT)
        try:
            status = _answer(server, timeout)
        except TimeoutError:
            os.kill(child, signal.SIGKILL)
            _answer(server, START_LIMIT)
            raise subprocess.TimeoutExpired(words, timeout) from None
    return subprocess.CompletedProcess([sys.executable, *words], status, *(text.result() for text in texts))


def _read(descriptor: int) -> str:
    with open(descriptor, errors="replace") as pipe:
        return pipe.read()


def _answer(server: socket.socket, timeout: float) -> int:
    server.settimeout(timeout)
    return int(server.recv(LONGEST))


@cache
def _server() -> socket.socket:
    """The process that forks: the first call starts it, and it ends with the process that called."""
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    command = [sys.executable, "-m", "tests.fork_server", str(there.fileno())]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    process = subprocess.Popen(command, env=env, pass_fds=[there.fileno()], stdin=subprocess.DEVNULL)
    there.close()

    def close() -> None:
        here.close()
        process.wait()

    atexit.register(close)
    _answer(here, START_LIMIT)
    return here


def main() -> None:
    """Fork for each program that a request describes; in the child, run it."""
    requests = socket.socket(fileno=int(sys.argv[1]))
    import datasets  # noqa: F401
    from transformers import Trainer  # noqa: F401

    gc.collect()
    gc.freeze()
    requests.send(b"0")
    while True:
        request, outputs, _, _ = socket.recv_fds(requests, LONGEST, 2)
        if not request:
            return
        child = os.fork()
        if not child:
            requests.close()
            run_program(outputs=outputs, **json.loads(request))
            return
        for output in outputs:
            os.close(output)
        requests.send(b"%d" % child)
        requests.send(b"%d" % os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


def run_program(command: list[str], cwd: str, env: dict[str, str], outputs: list[int]) -> None:
    """What a new interpreter would do with the command: exceptions are left to it."""
    import numpy as np

    for number, output in enumerate(outputs, start=1):
        os.dup2(output, number)
        os.close(output)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    # Processes that are started one by one do not draw the same.
    random.seed()
    np.random.seed()
    if command[0] == "-c":
        sys.argv = ["-c", *command[2:]]
        sys.path.insert(0, "")
        exec(compile(command[1], "<string>", "exec"), {"__name__": "__main__"})
    else:
        sys.argv = command
        sys.path.insert(0, str(Path(command[0]).parent))
        runpy.run_path(command[0], run_name="__main__")


if __name__ == "__main__":
    main()

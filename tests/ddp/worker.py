"""One of two gloo processes: reads a job from each line of its input and answers with a line.

usage: RANK=0 python -m tests.ddp.worker RENDEZVOUS, where RENDEZVOUS is a file that does not exist yet
"""

from __future__ import annotations

import faulthandler
import gc
import importlib
import json
import os
import queue
import random
import signal
import sys
import threading
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import torch
import torch.distributed as dist


def main() -> None:
    """Join the group and run jobs until the input ends."""
    # What a job prints goes to the log: the output is for answers alone.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    faulthandler.register(signal.SIGUSR1, all_threads=False)
    torch.set_num_threads(1)
    rank = int(os.environ["RANK"])
    dist.init_process_group("gloo", init_method=f"file://{sys.argv[1]}", rank=rank, world_size=2)
    environment = dict(os.environ)
    answer(answers, "")
    for line in jobs():
        reset(environment)
        try:
            run(json.loads(line), rank)
        except BaseException:
            answer(answers, traceback.format_exc())
        else:
            answer(answers, "")


def answer(answers: TextIO, failure: str) -> None:
    answers.write(json.dumps(failure) + "\n")


def jobs() -> Iterator[str]:
    """Lines of the input; at its end the session of tests is over, and so is this process, in a job or not."""
    waiting: queue.SimpleQueue[str] = queue.SimpleQueue()

    def read() -> None:
        for line in sys.stdin:
            waiting.put(line)
        os._exit(0)

    threading.Thread(target=read, daemon=True).start()
    while True:
        yield waiting.get()


def run(job: dict[str, Any], rank: int) -> None:
    """Call the function that the job names, and write what it returns."""
    module, name = job["function"].split(":")
    known = module in sys.modules
    function = getattr(importlib.import_module(module), name)
    if not known:
        # Accelerate collects garbage whenever a training begins; modules are none.
        gc.collect()
        gc.freeze()
    torch.save(function(**job["arguments"]), Path(job["out"], f"{rank}.pt"))
    # A job that one process left earlier, or with fewer messages, must not disturb the next.
    dist.barrier()


def reset(environment: dict[str, str]) -> None:
    """Forget what the job before has left: accelerate's state, variables, where the random numbers are."""
    if "accelerate" in sys.modules:
        from accelerate.state import AcceleratorState, GradientState

        AcceleratorState._reset_state(reset_partial_state=True)
        GradientState._reset_state()
    os.environ.clear()
    os.environ.update(environment)
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)


if __name__ == "__main__":
    main()

"""Programs that are run by `tests/fork_server.py` begin and end as those of a new interpreter."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fork_server import run_python


pytestmark = pytest.mark.slow

# What a program can see of how it was started, and a word on each output.
SEEN = """
import json, os, sys
print(json.dumps([sys.argv, os.getcwd(), dict(os.environ), __name__, sys.stdin.read()]))
print("a mistake", file=sys.stderr)
sys.exit(7)
"""


def test_it_is_as_a_new_interpreter(tmp_path: Path) -> None:
    env = {"A": "1", "LC_CTYPE": "C.UTF-8"}
    script = tmp_path / "script.py"
    script.write_text(SEEN)
    for command in (["-c", SEEN, "a", "b c"], [str(script), "a"]):
        done = run_python(command, cwd=tmp_path, env=env)
        given = {"cwd": tmp_path, "env": env, "capture_output": True, "text": True, "stdin": subprocess.DEVNULL}
        true = subprocess.run([sys.executable, *command], **given)
        assert (done.returncode, done.stderr) == (true.returncode, true.stderr) == (7, "a mistake\n")
        assert json.loads(done.stdout) == json.loads(true.stdout)


@pytest.mark.parametrize(
    ("program", "status", "error"),
    [
        ("import os; os.kill(os.getpid(), 9)", -signal.SIGKILL, ""),
        ("1 / 0", 1, "ZeroDivisionError: division by zero"),
        ("import atexit; atexit.register(print, 'end', file=__import__('sys').stderr)", 0, "end"),
    ],
)
def test_it_ends_as_a_new_interpreter(program: str, status: int, error: str) -> None:
    done = run_python(["-c", program])
    assert done.returncode == status
    assert done.stderr.strip().split("\n")[-1] == error


def test_a_program_that_does_not_end_is_ended() -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        run_python(["-c", "import time; time.sleep(60)"], timeout=0.2)
    assert run_python(["-c", "print(1)"]).stdout == "1\n"


def test_no_program_knows_of_another() -> None:
    run_python(["-c", "import sys, numpy; sys.modules['known'] = sys; numpy.random.seed(0)"])
    seen = "import sys, numpy; print('known' in sys.modules, 'textssl' in sys.modules, numpy.random.rand())"
    first, second = (run_python(["-c", seen]).stdout.split() for _ in range(2))
    assert first[:2] == second[:2] == ["False", "False"]
    assert first[2] != second[2]

"""Several processes of a command: one speaks, and their status is one."""

from __future__ import annotations

import sys

import pytest

from textssl import UserError
from textssl.cli.processes import run_in_processes


def run(body: str, count: int = 2) -> int:
    program = f"import os, sys, time\nrank = os.environ['RANK']\n{body}"
    return run_in_processes([sys.executable, "-S", "-c", program], count)


def test_each_knows_its_place(capfd: pytest.CaptureFixture[str]) -> None:
    assert run("assert rank == os.environ['LOCAL_RANK']\nprint(rank, os.environ['WORLD_SIZE'])", 3) == 0
    assert capfd.readouterr().out == "0 3\n"


FIRST_IS_MISTAKEN = """
if rank == '1':
    time.sleep(5)
    raise SystemExit('Connection closed by peer')
print('error: no', file=sys.stderr)
sys.exit(2)
"""


def test_a_mistake_of_the_first_is_one_line_whatever_the_others_meet(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(FIRST_IS_MISTAKEN) == 2
    assert capfd.readouterr().err == "error: no\n"


def test_a_defect_of_another_one_is_shown(capfd: pytest.CaptureFixture[str]) -> None:
    assert run("if rank == '1':\n    raise KeyError('defect')\ntime.sleep(60)") == 1
    err = capfd.readouterr().err
    assert "KeyError: 'defect'" in err


def test_one_that_is_killed_is_no_success() -> None:
    assert run("if rank == '0':\n    os.kill(os.getpid(), 9)\ntime.sleep(60)") == 1


def test_a_count_below_one() -> None:
    with pytest.raises(UserError, match="processes: got 0; expected at least 1"):
        run("", 0)

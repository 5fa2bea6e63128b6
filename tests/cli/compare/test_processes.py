"""Processes of cells: what they print and answer, how they fail, and that none outlives what started it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.compare.small_jobs import HERE
from textssl.cli.compare.processes import Answer, Processes


ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def processes() -> Processes:
    return Processes(threads=3, imported_once=())


def answer_of(processes: Processes, name: str, *words: str, **options: object) -> Answer:
    process = processes.start(f"{HERE}:{name}", *words, **options)  # type: ignore[arg-type]
    assert processes.wait([process], 60) == [process]
    return process.answer()


def test_what_is_printed_is_in_the_log_and_the_answer_comes_back(processes: Processes, tmp_path: Path) -> None:
    log = tmp_path / "cell" / "log.txt"
    for word in ("first", "second"):
        answer = answer_of(processes, "told", word, log=log, variables={"OWN": "here"})
        assert answer == Answer({"words": (word,), "threads": "3", "own": "here"})
    lines = log.read_text().splitlines()
    assert lines.count("to standard error") == 2
    assert [line for line in lines if "output" in line] == ["to standard output first", "to standard output second"]
    assert "OWN" not in os.environ


def test_a_mistake_is_one_line_and_a_defect_leaves_its_traceback(processes: Processes, tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    assert answer_of(processes, "refused", log=log).reason == "threshold: got 3; expected less"
    assert "Traceback" not in log.read_text()
    assert answer_of(processes, "broken", log=log).reason == "KeyError: 'nothing of that name'"
    assert "Traceback" in log.read_text()


def test_a_process_that_is_killed_is_an_answer(processes: Processes, tmp_path: Path) -> None:
    reason = answer_of(processes, "killed", log=tmp_path / "log.txt").reason
    assert reason is not None
    assert "SIGKILL" in reason
    assert "--jobs" in reason


@pytest.mark.parametrize("name", ["SIGINT", "SIGKILL"])
def test_no_cell_outlives_the_comparison(tmp_path: Path, name: str) -> None:
    program = subprocess.Popen(
        [sys.executable, "-m", HERE, str(tmp_path)],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    pids = [_pid(tmp_path / f"{method}.pid") for method in ("uda", "vat")]
    if name == "SIGINT":
        # As a terminal does: all processes get it.
        os.killpg(program.pid, signal.SIGINT)
    else:
        program.kill()
    _, printed = program.communicate(timeout=30)
    if name == "SIGINT":
        assert program.returncode == 130
        assert printed == "interrupted; the same command resumes from the last checkpoint\n"
    end = time.monotonic() + 20
    while any(map(_is_alive, pids)):
        assert time.monotonic() < end, "a cell is still at work"
        time.sleep(0.02)


def _pid(path: Path) -> int:
    end = time.monotonic() + 60
    while not path.exists() or not path.read_text():
        assert time.monotonic() < end
        time.sleep(0.02)
    return int(path.read_text())


def _is_alive(pid: int) -> bool:
    try:
        # A process that has ended and that nobody has waited for is not alive.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False

"""The order of cells, what waits for what, and what one failure does to the others."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from textssl.cli.compare import machine
from textssl.cli.compare.grid import Cell, Grid
from textssl.cli.compare.processes import Answer, Processes
from textssl.cli.compare.schedule import Schedule


GRID = Grid({}, ("uda", "noisy_student"), (0, 1))


class Recorded(Processes):
    """Starts nothing, and ends what was started first."""

    def __init__(self, failing: Sequence[str] = ()) -> None:
        self.failing, self.started, self.most, self.stopped = failing, [], 0, 0
        self.at_work: list[Any] = []

    def start(self, function: str, *arguments: Any, log: Any = None, variables: Any = None) -> Any:
        _, cell, _, taught = arguments
        self.started.append((cell, taught, variables))
        made = Made(self, cell)
        self.at_work.append(made)
        self.most = max(self.most, len(self.at_work))
        return made

    def wait(self, running: Sequence[Any], seconds: float | None = None) -> list[Any]:
        assert list(running) == self.at_work
        return [self.at_work.pop(0)]


class Made:
    def __init__(self, owner: Recorded, cell: Cell) -> None:
        self.owner, self.cell = owner, cell

    def answer(self) -> Answer:
        if f"{self.cell.method} {self.cell.seed}" in self.owner.failing:
            return Answer(reason="no memory")
        return Answer({"accuracy": 0.5})

    def stop(self) -> None:
        self.owner.stopped += 1


def run(processes: Recorded, jobs: int, devices: int = 0) -> tuple[Schedule, list[str]]:
    schedule = Schedule(GRID, GRID.cells(), Path("out"), jobs, devices, ("noisy_student",))
    ended: list[str] = []
    schedule.run(processes, lambda cell, answer: ended.append(f"{cell.method} {cell.seed}: {answer.reason}"))
    return schedule, ended


@pytest.mark.parametrize("jobs", [1, 2, 4])
def test_each_cell_runs_once_and_a_student_after_its_teacher(jobs: int) -> None:
    processes = Recorded()
    run(processes, jobs)
    assert sorted(str(cell) for cell, _, _ in processes.started) == sorted(map(str, GRID.cells()))
    assert processes.most == jobs
    assert {cell.method for cell, taught, _ in processes.started if taught} == {"noisy_student"}
    # With two at a time both could start before the teacher has ended: another cell takes the place.
    order = [str(cell) for cell, _, _ in processes.started]
    for seed in (0, 1):
        assert order.index(f"supervised, seed {seed}") < order.index(f"noisy_student, seed {seed}")


def test_a_student_waits_until_its_teacher_has_ended() -> None:
    processes = Recorded()
    run(processes, 4)
    order = [str(cell) for cell, _, _ in processes.started]
    assert order[:4] == ["supervised, seed 0", "uda, seed 0", "supervised, seed 1", "uda, seed 1"]


def test_a_failure_stops_what_learns_from_it_alone() -> None:
    schedule, ended = run(Recorded(failing=["supervised 1", "uda 0"]), 2)
    assert len(ended) == 6
    assert {str(cell): why for cell, why in schedule.failures.items()} == {
        "uda, seed 0": "no memory",
        "supervised, seed 1": "no memory",
        "noisy_student, seed 1": "its teacher, supervised, seed 1, failed",
    }


def test_an_interruption_stops_all_that_are_at_work() -> None:
    class Interrupted(Recorded):
        def wait(self, running: Sequence[Any], seconds: float | None = None) -> list[Any]:
            raise KeyboardInterrupt

    processes = Interrupted()
    with pytest.raises(KeyboardInterrupt):
        run(processes, 3)
    assert processes.stopped == 3


def test_accelerators_are_shared_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,7")
    processes = Recorded()
    run(processes, 2, devices=2)
    first, second, *_ = [variables["CUDA_VISIBLE_DEVICES"] for _, _, variables in processes.started]
    assert {first, second} == {"5", "7"}
    processes = Recorded()
    run(processes, 2)
    assert all(variables == {} for _, _, variables in processes.started)


def test_time_left_is_that_of_cells_like_those_that_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    schedule = Schedule(GRID, GRID.cells()[1:], Path("out"), 2, 0, ())
    assert schedule.seconds_left() is None
    # Of 5 cells: two of uda take 10 s, two of noisy_student 30 s, and the baseline the mean of the ended, 20 s.
    schedule._took = {"uda": [10.0], "noisy_student": [30.0]}
    assert schedule.seconds_left() == pytest.approx((2 * 10 + 2 * 30 + 20) / 2)


@pytest.mark.parametrize(("cores", "gibibytes", "jobs"), [(2, 16, 2), (8, 5, 2), (4, 1, 1), (1, 64, 1)])
def test_jobs_fit_processors_and_memory(cores: int, gibibytes: int, jobs: int) -> None:
    assert machine.default_jobs(cores, gibibytes << 30) == jobs


def test_threads_are_shared_out_and_bounded_by_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert [machine.threads_of(jobs, 8) for jobs in (1, 3, 16)] == [8, 2, 1]
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert [machine.threads_of(jobs, 8) for jobs in (1, 3, 16)] == [2, 2, 1]

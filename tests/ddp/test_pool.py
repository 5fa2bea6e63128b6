"""The pool of two processes: what it brings back, and that a job which fails or hangs is no end of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.ddp import pool_jobs
from tests.ddp.pool import JobError, TwoProcesses


def test_results_of_both_come_back_and_no_traces_stay(two_processes: TwoProcesses, tmp_path: Path) -> None:
    first, second = two_processes.run(pool_jobs.described, folder=tmp_path, numbers=[1, 2])
    assert (first["rank"], second["rank"]) == (0, 1)
    assert first["process"] != second["process"]
    for result in (first, second):
        assert result["processes"] == 2
        assert result["sum"] == 3.0
        assert result["given"] == [str(tmp_path), [1, 2]]
    left = two_processes.run(pool_jobs.leave_traces)
    assert left[0] == left[1] == {"precision": "bf16", "processes": 2, "draw": left[0]["draw"]}
    assert two_processes.run(pool_jobs.traces) == [{**left[0], "precision": "no"}] * 2
    # All of it on the same processes.
    assert two_processes.run(pool_jobs.described, folder=tmp_path, numbers=[])[0]["process"] == first["process"]


@pytest.mark.ddp
def test_a_job_that_hangs_or_fails_is_named_and_the_next_one_runs(tmp_path: Path) -> None:
    pool = TwoProcesses(tmp_path)
    try:
        with pytest.raises(JobError) as stuck:
            pool.run(pool_jobs.hang_on_the_first, limit=2)
        with pytest.raises(JobError) as failed:
            pool.run(pool_jobs.die_on_the_first_and_fail_on_the_second)
    finally:
        pool.close()
    assert "hang_on_the_first failed on two processes\nrank 0: no answer within 2 s" in str(stuck.value)
    assert "in hang_on_the_first\n" in str(stuck.value)
    assert "rank 0: ended with exit code 3" in str(failed.value)
    assert "ValueError: the second process cannot" in str(failed.value)

"""The engine of Ray Data writes what the engine of one process writes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from datasets import ClassLabel, Dataset, Features, Value

from tests.jobs.tiny_jobs import Fails, Lengths, Short, contents, texts
from textssl.errors import UserError
from textssl.jobs import run_job
from textssl.jobs.ray_engine import DEATHS, ShardActor, finished_rows, on_disk
from textssl.jobs.task import ShardTask


ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_a_killed_process_changes_nothing(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "RAY_USAGE_STATS_ENABLED": "0"}
    environment.pop("RAY_ADDRESS", None)
    program = ROOT / "tests" / "jobs" / "ray_jobs.py"
    done = subprocess.run(
        [sys.executable, program, tmp_path], capture_output=True, text=True, check=False, cwd=ROOT, env=environment
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "marker").exists()
    data = texts(60).select([*range(50, 60), *range(40)])
    run_job(Lengths(), data, tmp_path / "local", columns=["text"], rows_per_shard=8, progress=False)
    assert contents(tmp_path / "ray") == contents(tmp_path / "local")
    assert "rows: 100%" in done.stderr


def test_without_ray_the_command_that_installs_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UserError, match=r"engine: 'ray' needs Ray Data .*; pip install 'textssl\[ray\]'"):
        run_job(Lengths(), texts(5), tmp_path, columns=["text"], engine="ray", progress=False)


def test_a_process_tells_rows_and_refusals(tmp_path: Path) -> None:
    actor = ShardActor(ShardTask(Lengths(), texts(20).select_columns("text"), tmp_path, 8))
    told = actor({"item": np.array([0, 2])})
    assert told["rows"].tolist() == [8, 4]
    assert told["refusal"].tolist() == ["", ""]
    actor = ShardActor(ShardTask(Short(), texts(20).select_columns("text"), tmp_path, 8))
    told = actor({"item": np.array([1])})
    assert told["refusal"].tolist() == [
        "job 'lengths', shard 1, column 'length': got 7 values for 8 rows; expected one for each row"
    ]
    # A shard that another process has made is not made again.
    assert actor({"item": np.array([0])})["rows"].tolist() == [8]
    assert len(list(tmp_path.iterdir())) == 2


def test_a_refusal_ends_the_job() -> None:
    told = finished_rows(
        [{"rows": 8, "refusal": ""}, {"rows": 0, "refusal": "shard 1: no"}, {"rows": 8, "refusal": ""}]
    )
    assert next(told) == 8
    with pytest.raises(UserError, match=r"^shard 1: no$"):
        next(told)


def test_a_shard_that_kills_each_process_is_given_up(tmp_path: Path) -> None:
    actor = ShardActor(ShardTask(Lengths(), texts(20).select_columns("text"), tmp_path, 8))
    marks = tmp_path / ".shard-000000.attempts"
    marks.write_bytes(b"." * (DEATHS - 1))
    assert actor({"item": np.array([0])})["refusal"].tolist() == [""]
    assert not marks.exists()
    (tmp_path / ".shard-000001.attempts").write_bytes(b"." * DEATHS)
    (refusal,) = actor({"item": np.array([1])})["refusal"].tolist()
    assert refusal.startswith(f"job 'lengths', shard 1: its process died {DEATHS} times")


def test_an_error_of_the_job_is_no_death(tmp_path: Path) -> None:
    actor = ShardActor(ShardTask(Fails("0"), texts(20).select_columns("text"), tmp_path, 8))
    for _ in range(DEATHS + 1):
        with pytest.raises(KeyError):
            actor({"item": np.array([0])})
    assert not list(tmp_path.iterdir())


def test_rows_in_memory_are_written_and_others_are_not(tmp_path: Path) -> None:
    features = Features({"text": Value("string"), "label": ClassLabel(names=["no", "yes"])})
    held = Dataset.from_dict({"text": ["a", "b", "c"], "label": [1, 0, 1]}, features=features).select([2, 0])
    mapped = on_disk(held, tmp_path / "rows.arrow")
    assert mapped.cache_files
    assert mapped.features == features
    assert mapped[:] == {"text": ["c", "a"], "label": [1, 1]}
    assert on_disk(mapped, tmp_path / "again.arrow") is mapped
    # One column from the disk, one from the memory.
    joined = mapped.add_column("number", [1, 2])
    assert on_disk(joined, tmp_path / "joined.arrow")[:] == {**mapped[:], "number": [1, 2]}
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["joined.arrow", "rows.arrow"]

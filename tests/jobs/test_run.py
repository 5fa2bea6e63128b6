"""The engine of one process, against loops over the rows."""

from __future__ import annotations

import hashlib
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from datasets import Dataset, concatenate_datasets

from tests.fork_server import run_python
from tests.jobs.tiny_jobs import Fails, Lengths, Short, contents, texts
from textssl.data.files import content_checksum
from textssl.errors import UserError
from textssl.jobs import Shards, open_shards, run_job


ROOT = Path(__file__).parents[2]


def run(job: Any, dataset: Dataset, folder: Path, **settings: Any) -> Shards | None:
    return run_job(job, dataset, folder, **{"columns": ["text"], "rows_per_shard": 8, "progress": False, **settings})


def shard(folder: Path, number: int) -> Path:
    (found,) = folder.glob(f"shard-{number:06d}-*.arrow")
    return found


def times(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in folder.glob("shard-*")}


def test_results_are_those_of_a_loop(tmp_path: Path) -> None:
    data, job = texts(50), Lengths()
    shards = run(job, data, tmp_path / "out")
    assert shards is not None
    assert len(shards) == 50
    assert [len(call) for call in job.calls] == [8] * 6 + [2]
    assert [text for call in job.calls for text in call] == data["text"][:]
    assert shards.column_names == ["length", "powers", "half", "odd", "backwards"]
    for i, text in enumerate(data["text"]):
        n = len(text)
        assert shards.column("length")[i] == n
        assert shards.column("powers")[i].tolist() == [n, n * n, n * n * n]
        assert shards.column("half")[i] == n / 2
        assert shards.column("odd")[i].tolist() == [n % 2 == 1, n % 2 == 0]
        assert shards.column("backwards")[i] == "".join(reversed(text))
    kinds = [shards.column(name).dtype for name in shards.column_names]
    assert kinds == [np.int32, np.float32, np.float16, np.bool_, np.object_]
    rows = shards.dataset()
    assert rows.column_names == shards.column_names
    assert [row["backwards"] for row in rows] == shards.column("backwards").tolist()
    assert [row["powers"] for row in rows] == shards.column("powers").tolist()
    assert [(start, len(table)) for start, table in shards.tables()] == [(8 * k, 8) for k in range(6)] + [(48, 2)]


def test_facts_and_names_of_files(tmp_path: Path) -> None:
    data = texts(20)
    shards = run(Lengths(), data, tmp_path)
    assert shards is not None
    assert shards.facts == {
        "version": 1,
        "job": "lengths",
        "data": content_checksum(data, ["text"]),
        "columns": ["text"],
        "rows": 20,
        "rows_per_shard": 8,
    }
    assert sorted(path.name for path in tmp_path.iterdir())[0] == "job.json"
    for number in range(3):
        path = shard(tmp_path, number)
        assert path.stem.split("-")[2] == hashlib.sha256(path.read_bytes()).hexdigest()[:32]
    assert len(list(tmp_path.iterdir())) == 4


def test_one_shard_is_the_file_itself(tmp_path: Path) -> None:
    shards = run(Lengths(), texts(5), tmp_path)
    assert shards is not None
    assert shards.column("powers").shape == (5, 3)
    with pytest.raises(ValueError, match="read-only"):
        shards.column("powers")[0, 0] = 1


def test_data_of_several_files_and_selected_rows(tmp_path: Path) -> None:
    parts = []
    for k in range(3):
        texts(10 + k).save_to_disk(tmp_path / f"part{k}")
        parts.append(Dataset.load_from_disk(str(tmp_path / f"part{k}")))
    data = concatenate_datasets(parts).select([30, 2, 11, 11, 19, 0, 32]).with_format("numpy")
    shards = run(Lengths(), data, tmp_path / "out", rows_per_shard=3)
    assert shards is not None
    # Rows 30, 2, 11 and so on of 0..9, 0..10, 0..11, backwards.
    assert shards.column("backwards").tolist() == ["9", "2", "1", "1", "9", "0", "1 1"]


def test_processes_divide_the_shards(tmp_path: Path) -> None:
    data = texts(50)
    assert run(Lengths(), data, tmp_path / "one") is not None
    jobs = [Lengths() for _ in range(3)]
    for rank in (2, 0):
        assert run(jobs[rank], data, tmp_path / "three", rank=rank, world=3) is None
    shards = run(jobs[1], data, tmp_path / "three", rank=1, world=3)
    assert shards is not None
    assert [len(job.calls) for job in jobs] == [3, 2, 2]
    assert contents(tmp_path / "one") == contents(tmp_path / "three")


def test_only_what_is_missing_is_made_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    data = texts(50)
    run(Lengths(), data, tmp_path)
    whole, before = contents(tmp_path), times(tmp_path)
    shard(tmp_path, 1).unlink()
    cut, changed = shard(tmp_path, 3), shard(tmp_path, 6)
    os.truncate(cut, cut.stat().st_size // 2)
    changed.write_bytes(changed.read_bytes()[:-9] + b"123456789")
    job = Lengths()
    assert run(job, data, tmp_path) is not None
    assert [call[0] for call in job.calls] == ["8", "2 4", "4 8"]
    assert sorted(message.args[0].name for message in caplog.records) == [cut.name, changed.name]
    assert contents(tmp_path) == whole
    kept = [name for name, when in times(tmp_path).items() if before[name] == when]
    assert len(kept) == 4


def test_a_finished_job_is_not_called(tmp_path: Path) -> None:
    run(Lengths(), texts(20), tmp_path)
    before = times(tmp_path)
    job = Lengths()
    assert run(job, texts(20), tmp_path) is not None
    assert not job.calls
    assert times(tmp_path) == before


def test_a_job_that_fails_keeps_finished_shards(tmp_path: Path) -> None:
    data = texts(50)
    with pytest.raises(KeyError, match="2 0"):
        run(Fails("2 0"), data, tmp_path / "out")
    assert len(times(tmp_path / "out")) == 2
    job = Lengths()
    assert run(job, data, tmp_path / "out") is not None
    assert len(job.calls) == 5
    run(Lengths(), data, tmp_path / "whole")
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


@pytest.mark.slow
def test_killed_in_the_middle_and_gone_on(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from tests.jobs.tiny_jobs import *; from textssl.jobs import run_job; "
        "out, marker = map(Path, sys.argv[1:]); "
        "run_job(DiesOnce('2 0', marker), texts(50), out, columns=['text'], rows_per_shard=8, progress=False)"
    )
    folder = tmp_path / "out"
    command = ["-c", program, folder, tmp_path / "marker"]
    assert run_python(command, cwd=ROOT).returncode == -signal.SIGKILL
    before = times(folder)
    assert len(before) == 2
    # What a kill in the middle of a write leaves.
    (folder / ".shard-000002-0123.arrow.1.tmp").write_bytes(b"half")
    with pytest.raises(UserError, match="holds 2 of 7 shards of 'lengths'"):
        open_shards(folder)
    job = Lengths()
    assert run(job, texts(50), folder) is not None
    assert len(job.calls) == 5
    assert {name: when for name, when in times(folder).items() if name in before} == before
    run(Lengths(), texts(50), tmp_path / "whole")
    assert contents(folder) == contents(tmp_path / "whole")


def test_results_of_another_job_or_data_are_refused(tmp_path: Path) -> None:
    run(Lengths("a@1"), texts(20), tmp_path)
    before = contents(tmp_path)
    with pytest.raises(UserError, match="of job 'a@1', not of job 'a@2'"):
        run(Lengths("a@2"), texts(20), tmp_path)
    with pytest.raises(UserError, match=r"of data '[0-9a-f]{64}', not of data 'abc'"):
        run(Lengths("a@1"), texts(20), tmp_path, data_checksum="abc")
    with pytest.raises(UserError, match=r"of data .*, not of data"):
        run(Lengths("a@1"), texts(20).select(range(19, -1, -1)), tmp_path)
    with pytest.raises(UserError, match="of rows_per_shard 8, not of rows_per_shard 9"):
        run(Lengths("a@1"), texts(20), tmp_path, rows_per_shard=9)
    (tmp_path / "job.json").unlink()
    with pytest.raises(UserError, match=r"holds shards and no job\.json"):
        run(Lengths("a@1"), texts(20), tmp_path)
    assert {name: before[name] for name in contents(tmp_path)} == contents(tmp_path)


def test_a_wrong_number_of_rows_names_job_and_shard(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="job 'lengths', shard 0, column 'length': got 7 values for 8 rows"):
        run(Short(), texts(20), tmp_path)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"engine": "spark"}, "engine: got 'spark'; allowed: local, ray"),
        ({"rows_per_shard": 0}, "rows_per_shard: got 0"),
        ({"workers": 0}, "workers: got 0"),
        ({"world": 0}, "world: got 0"),
        ({"rank": 2, "world": 2}, "rank: got 2"),
        ({"rank": 0, "world": 2, "engine": "ray"}, "world: got 2"),
        ({"columns": "text"}, "columns: got 'text'"),
        ({"columns": []}, "columns: got"),
        ({"columns": ["text", "text"]}, "columns: got"),
        ({"columns": ["txt"]}, r"columns: got \['txt'\]; the data have \['text', 'number'\]"),
        ({"job": len}, "job: got builtin_function_or_method"),
        ({"job": Lengths("")}, "job: got Lengths"),
        ({"dataset": ["a"]}, "dataset: got list"),
        ({"dataset": texts(3).select([])}, "dataset: it is empty"),
    ],
)
def test_bad_arguments_are_refused_before_anything_is_written(
    tmp_path: Path, settings: dict[str, Any], message: str
) -> None:
    given = {"job": Lengths(), "dataset": texts(5), "folder": tmp_path / "out", **settings}
    with pytest.raises(UserError, match=message):
        run(**given)
    assert not (tmp_path / "out").exists()


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "out").touch()
    with pytest.raises(UserError, match="which is a file"):
        run(Lengths(), texts(5), tmp_path / "out")


def test_the_bar_counts_rows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(Lengths(), texts(20), tmp_path, progress=True, description="measuring")
    assert "measuring: 100%" in (shown := capsys.readouterr().err)
    assert "20/20" in shown

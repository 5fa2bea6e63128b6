"""Reading the folder of a job, and what is refused there."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.jobs.tiny_jobs import Lengths, texts
from textssl.errors import UserError
from textssl.jobs import open_shards, run_job


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    run_job(Lengths(), texts(20), tmp_path / "out", columns=["text"], rows_per_shard=8, progress=False)
    return tmp_path / "out"


def test_opened_again_it_is_what_the_job_returned(folder: Path) -> None:
    shards = open_shards(str(folder))
    assert shards.column("length").tolist() == [1] * 10 + [3] * 10
    assert shards.facts == json.loads((folder / "job.json").read_text())


def test_missing_shards_are_counted(folder: Path) -> None:
    next(folder.glob("shard-000001-*")).unlink()
    with pytest.raises(UserError, match="holds 2 of 3 shards of 'lengths'; run the job again"):
        open_shards(folder)


def test_a_cut_shard_is_named(folder: Path) -> None:
    path = next(folder.glob("shard-000002-*"))
    os.truncate(path, path.stat().st_size - 1)
    with pytest.raises(UserError, match=f"{path.name}' is corrupt"):
        open_shards(folder)
    # Reading repairs nothing.
    assert path.exists()


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"rows": 1, "rows_per_shard": 0}'])
def test_a_damaged_description_is_named(folder: Path, content: str) -> None:
    (folder / "job.json").write_text(content)
    with pytest.raises(UserError, match=r"job\.json' is no description of a job"):
        open_shards(folder)


def test_no_job_is_said(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(UserError, match=r"holds no job\.json"):
            open_shards(folder)


def test_an_unknown_column_is_refused(folder: Path) -> None:
    with pytest.raises(UserError, match=r"column: got 'size'; the job returned .*'length'"):
        open_shards(folder).column("size")


def test_shards_with_different_columns_are_refused(tmp_path: Path) -> None:
    class Unsteady:
        name = "unsteady"

        def __call__(self, rows: dict[str, list[Any]]) -> dict[str, np.ndarray]:
            return {"v": np.zeros((len(rows["text"]), 2 if "0" in rows["text"] else 3), np.float32)}

    with pytest.raises(UserError, match=r"job: 'unsteady' returned columns v: .*\[3\] for shard-000001"):
        run_job(Unsteady(), texts(20), tmp_path, columns=["text"], rows_per_shard=8, progress=False)

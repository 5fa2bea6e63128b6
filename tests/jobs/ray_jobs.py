"""A job by Ray whose process is killed: a program of its own, for Ray warns where warnings are errors."""

from __future__ import annotations

import sys
from pathlib import Path

import ray

from tests.jobs.tiny_jobs import DiesOnce, texts
from textssl.jobs import run_job


def main(folder: Path) -> None:
    # Held in memory, and in another order than it lies there.
    data = texts(60).select([*range(50, 60), *range(40)])
    shards = run_job(
        DiesOnce("2 0", folder / "marker"), data, folder / "ray", columns=["text"], rows_per_shard=8, engine="ray"
    )
    assert shards is not None
    assert not ray.is_initialized()


if __name__ == "__main__":
    main(Path(sys.argv[1]))

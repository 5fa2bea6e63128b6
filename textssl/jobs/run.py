"""Running a job over a data set, on one machine or several."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from datasets import Dataset

from ..data.files import content_checksum
from ..errors import UserError
from ..progress import ShowProgress, counted
from .job import Job
from .shards import Shards, intact_shards, open_finished, remove_leftovers, shard_count, write_or_check_facts
from .task import ShardTask


__all__ = ["ENGINES", "run_job"]

ENGINES = ("local", "ray")

# Of job.json and the shards; a folder of another version is refused.
FORMAT = 1


def run_job(
    job: Job,
    dataset: Dataset,
    folder: str | os.PathLike[str],
    *,
    columns: Sequence[str],
    rows_per_shard: int = 4096,
    engine: str = "local",
    workers: int = 2,
    rank: int = 0,
    world: int = 1,
    data_checksum: str | None = None,
    progress: bool | ShowProgress = True,
    description: str = "rows",
) -> Shards | None:
    """Call ``job`` on all rows and keep what it returns in ``folder``.

    The rows are cut into shards; one shard is one call of the job and one Arrow file, which appears when it is
    complete. So the files do not depend on the engine, on how many workers there are, nor on kills: the same call
    after a kill at any moment makes only the shards that are missing. A shard that was cut or changed since is made
    anew, with a warning.

    Args:
        job: see :class:`Job`.
        dataset: N > 0 rows.
        folder: of the results; made where it is missing. With several machines it lies, as the files of
            ``dataset``, on a file system that all of them share.
        columns: what the job reads.
        rows_per_shard: rows of a call: what a kill can lose.
        engine: ``"local"`` calls the job in this process; ``"ray"`` in ``workers`` processes of Ray, on the cluster
            that ``ray.init`` has connected to, or else on this machine.
        workers: processes of ``"ray"``; each loads the job's models. Graphics processors of the cluster are shared
            among them.
        rank: the number of this process among ``world`` that make this call with ``"local"``, each for its part of
            the shards.
        world: how many there are.
        data_checksum: of the columns, if known; by default :func:`textssl.data.files.content_checksum` is taken.
        progress: show a progress bar, or what shows the progress: called with the rows that are left and the
            description, it gives a context with a method ``advance(count)``.
        description: of the progress bar.

    Returns:
        The results; with ``world`` > 1 ``None`` while other processes have not finished. Wait for them, then call
        :func:`open_shards`.

    Raises:
        UserError: an argument out of range; a folder with results of another job or of other data; a job that
            returns another number of rows, nan or infinity; Ray is not installed. What the job itself raises with
            ``"local"`` passes through. Finished shards stay.
    """
    _check_job(job, dataset, columns)
    _check_engine(rows_per_shard, engine, workers, rank, world)
    folder = Path(folder)
    dataset = dataset.select_columns(list(columns)).with_format(None)
    facts = {
        "version": FORMAT,
        "job": job.name,
        "data": data_checksum or content_checksum(dataset, columns),
        "columns": list(columns),
        "rows": len(dataset),
        "rows_per_shard": rows_per_shard,
    }
    write_or_check_facts(folder, facts)
    mine = range(rank, shard_count(facts), world)
    finished = intact_shards(folder, mine)
    missing = [number for number in mine if number not in finished]
    task = ShardTask(job, dataset, folder, rows_per_shard)
    done = _made(task, missing, engine, workers) if missing else ()
    counts = [len(task.rows_of(number)) for number in mine]
    initial = sum(len(task.rows_of(number)) for number in finished)
    with counted(progress, sum(counts), initial, description) as bar:
        for rows in done:
            bar.advance(rows)
    shards = open_finished(folder, facts)
    if shards is not None:
        remove_leftovers(folder)
    return shards


def _made(task: ShardTask, numbers: Sequence[int], engine: str, workers: int) -> Iterator[int]:
    """Make shards, and tell the rows of each that is on the disk."""
    if engine == "ray":
        from .ray_engine import made_by_ray

        return made_by_ray(task, numbers, workers)
    return map(task, numbers)


def _check_job(job: Job, dataset: Dataset, columns: Sequence[str]) -> None:
    if not callable(job) or not isinstance(getattr(job, "name", None), str) or not job.name:
        raise UserError(f"job: got {type(job).__name__}; expected a callable with a string 'name'")
    if not isinstance(dataset, Dataset):
        raise UserError(f"dataset: got {type(dataset).__name__}; expected a datasets.Dataset")
    if isinstance(columns, str) or not columns or len(set(columns)) < len(columns):
        raise UserError(f"columns: got {columns!r}; expected a list of different columns, at least one")
    if missing := [column for column in columns if column not in dataset.column_names]:
        raise UserError(f"columns: got {missing}; the data have {dataset.column_names}")
    if len(dataset) == 0:
        raise UserError("dataset: it is empty; expected at least one row")


def _check_engine(rows_per_shard: int, engine: str, workers: int, rank: int, world: int) -> None:
    if engine not in ENGINES:
        raise UserError(f"engine: got {engine!r}; allowed: {', '.join(ENGINES)}")
    for name, value in (("rows_per_shard", rows_per_shard), ("workers", workers), ("world", world)):
        if value < 1:
            raise UserError(f"{name}: got {value}; expected at least 1")
    if not 0 <= rank < world:
        raise UserError(f"rank: got {rank}; expected a number in [0, {world}), for world is {world}")
    if world > 1 and engine != "local":
        raise UserError(f"world: got {world}; the engine {engine!r} divides the work itself, and expects 1")

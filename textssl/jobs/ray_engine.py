"""Shards made by processes of Ray Data, on one machine or a cluster (Moritz et al., 2018, arXiv:1712.05889).

Ray carries shard numbers alone: rows are read from the data's own files, and results are written by the process that
made them.
"""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from datasets import Dataset
from datasets.table import ConcatenationTable, MemoryMappedTable

from ..errors import UserError
from ..files import atomic_path
from .shards import finished_shards, remove_leftovers
from .task import ShardTask


__all__ = ["ShardActor", "finished_rows", "made_by_ray", "on_disk"]

# Ray restarts a process for ever. One that dies in the same shard time and again does not die by chance.
DEATHS = 5
ROWS_AT_ONCE = 8192


class ShardActor:
    """A process of Ray that makes shards.

    Args:
        task: of all shards; its folder is absolute.
    """

    def __init__(self, task: ShardTask) -> None:
        self.task = task

    def __call__(self, batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Make the shards ``batch["item"]`` [n]; return the ``rows`` of each, and a ``refusal`` or ``""``."""
        rows, refusals = [], []
        for number in batch["item"].tolist():
            refusal = ""
            try:
                rows.append(self._made(number))
            except UserError as error:
                # As a value: Ray would wrap the error and print it.
                rows.append(0)
                refusal = str(error)
            refusals.append(refusal)
        return {"rows": np.array(rows), "refusal": np.array(refusals)}

    def _made(self, number: int) -> int:
        if number in finished_shards(self.task.folder):
            # By a process that died before it could tell.
            return len(self.task.rows_of(number))
        attempts = self.task.folder / f".shard-{number:06d}.attempts"
        with attempts.open("ab") as marks:
            marks.write(b".")
        try:
            if attempts.stat().st_size > DEATHS:
                raise UserError(
                    f"job {self.task.job.name!r}, shard {number}: its process died {DEATHS} times; too little memory "
                    "for rows_per_shard, or a crash in native code"
                )
            return self.task(number)
        finally:
            # What a process that is killed leaves is the mark of its death.
            attempts.unlink(missing_ok=True)


def made_by_ray(task: ShardTask, numbers: Sequence[int], workers: int) -> Iterator[int]:
    """Make shards with ``workers`` processes; yields the row count of each finished shard.

    Args:
        task: of all shards.
        numbers: of the shards.
        workers: how many processes.

    Raises:
        UserError: Ray is not installed, or the job returned what cannot be stored.
    """
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise UserError(f"engine: 'ray' needs Ray Data ({error}); pip install 'textssl[ray]'") from error
    folder = task.folder.resolve()
    remove_leftovers(folder)
    task = replace(task, folder=folder, dataset=on_disk(task.dataset, folder / ".shard-rows.arrow"))
    with _connected(workers), _quiet():
        graphics = ray.cluster_resources().get("GPU", 0)
        done = ray.data.from_items(list(numbers), override_num_blocks=len(numbers)).map_batches(
            ShardActor,
            fn_constructor_kwargs={"task": task},
            batch_size=1,
            # A second shard in the queue of a process would wait there while another process has nothing to do.
            compute=ray.data.ActorPoolStrategy(size=min(workers, len(numbers)), max_tasks_in_flight_per_actor=1),
            num_gpus=1 / math.ceil(workers / graphics) if graphics else None,
        )
        yield from finished_rows(done.iter_rows())


def finished_rows(records: Iterable[Mapping[str, Any]]) -> Iterator[int]:
    """Rows of each shard, of what :class:`ShardActor` returned.

    Raises:
        UserError: one was refused.
    """
    for shard in records:
        if shard["refusal"]:
            raise UserError(str(shard["refusal"]))
        yield int(shard["rows"])


def on_disk(dataset: Dataset, path: Path) -> Dataset:
    """The same rows, mapped from files: ``dataset`` itself, or what is written to ``path`` of one held in memory."""
    if _is_mapped(dataset.data):
        return dataset
    schema = dataset.features.arrow_schema
    with atomic_path(path) as temporary, pa.ipc.new_stream(str(temporary), schema) as writer:
        for batch in dataset.with_format("arrow").iter(batch_size=ROWS_AT_ONCE):
            writer.write_table(batch.cast(schema))
    return Dataset.from_file(str(path))


def _is_mapped(table: Any) -> bool:
    if isinstance(table, ConcatenationTable):
        return all(_is_mapped(block) for blocks in table.blocks for block in blocks)
    return isinstance(table, MemoryMappedTable)


@contextmanager
def _quiet() -> Iterator[None]:
    """Ray Data without progress bars and without reports of success."""
    import ray.data

    context, log = ray.data.DataContext.get_current(), logging.getLogger("ray.data")
    before, level = (context.enable_progress_bars, context.print_on_execution_start), log.level
    context.enable_progress_bars = context.print_on_execution_start = False
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        context.enable_progress_bars, context.print_on_execution_start = before
        log.setLevel(level)


@contextmanager
def _connected(workers: int) -> Iterator[None]:
    """Ray as it is; or else the cluster of ``RAY_ADDRESS``, or this machine, until the end."""
    import ray

    if ray.is_initialized():
        yield
        return
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    settings: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if "RAY_ADDRESS" not in os.environ:
        settings |= {"address": "local", "num_cpus": workers, "include_dashboard": False}
    ray.init(**settings)
    try:
        yield
    finally:
        ray.shutdown()

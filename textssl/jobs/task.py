"""One shard of a job: the work that engines hand out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from datasets import Dataset

from .job import Job
from .outputs import serialized
from .shards import write_shard


__all__ = ["ShardTask"]


@dataclass(frozen=True)
class ShardTask:
    """Calls the job on the rows of one shard and writes what it returns.

    Args:
        job: of the call.
        dataset: columns that the job reads.
        folder: of the results.
        rows_per_shard: all but the last shard have as many.
    """

    job: Job
    dataset: Dataset
    folder: Path
    rows_per_shard: int

    def __call__(self, number: int) -> int:
        """Make shard ``number`` and return how many rows it has; when this returns, it is on the disk.

        Raises:
            UserError: the job returned what cannot be stored.
        """
        rows = self.rows_of(number)
        outputs = self.job(self.dataset[rows.start : rows.stop])
        content = serialized(outputs, len(rows), f"job {self.job.name!r}, shard {number}")
        write_shard(self.folder, number, content)
        return len(rows)

    def rows_of(self, number: int) -> range:
        """Rows of shard ``number``."""
        start = number * self.rows_per_shard
        return range(start, min(start + self.rows_per_shard, len(self.dataset)))

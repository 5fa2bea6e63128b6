"""An output that grows beside its final name, and is resumed after a kill where it was."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ..errors import UserError
from ..files import atomic_path, write_atomically


__all__ = ["OutputPart"]

VERSION = 1
RECORD, ROWS = "record.json", "rows"


class OutputPart:
    """The folder ``OUT.part``: rows that are finished, and a record of how many and of what job they are.

    Args:
        out: the final file.
        job: what decides the content of the output; ``None`` if it cannot be resumed.
        overwrite: replace a finished output, and drop an unfinished one of another job.

    Attributes:
        done: number of rows that are finished.
        tallies: what was counted of them.

    Raises:
        UserError: the output is there, its folder is not, or the unfinished one is of another job.
    """

    def __init__(self, out: Path, job: dict[str, Any] | None, overwrite: bool = False) -> None:
        self.out, self._folder = out, out.with_name(f"{out.name}.part")
        if not out.absolute().parent.is_dir():
            raise UserError(f"output: the folder {str(out.absolute().parent)!r} does not exist")
        if out.is_dir():
            raise UserError(f"output: {str(out)!r} is a folder; name a file")
        if out.exists() and not overwrite:
            raise UserError(f"output: {str(out)!r} exists; choose another file, or replace it with --overwrite")
        self._job = None if job is None else {"version": VERSION, **job}
        self.done, self.tallies, self._bytes, self._shards = 0, dict[str, int](), 0, 0
        if self._folder.exists():
            self._resume(overwrite)

    def add(self, content: bytes | pa.Table, rows: int, tallies: dict[str, int]) -> None:
        """Keep the rows of a window.

        Args:
            content: of text, or of Parquet.
            rows: how many.
            tallies: what is counted.
        """
        self._folder.mkdir(exist_ok=True)
        if isinstance(content, bytes):
            with (self._folder / ROWS).open("r+b" if self._bytes else "wb") as file:
                # What a killed job had begun to write is written again.
                file.truncate(self._bytes)
                file.seek(self._bytes)
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            self._bytes += len(content)
        else:
            with atomic_path(self._folder / f"{ROWS}-{self._shards:06d}.parquet") as temporary:
                pq.write_table(content, temporary)
            self._shards += 1
        self.done += rows
        for name, count in tallies.items():
            self.tallies[name] = self.tallies.get(name, 0) + count
        record = {"job": self._job, "rows": self.done, "bytes": self._bytes, "shards": self._shards}
        write_atomically(self._folder / RECORD, json.dumps({**record, "tallies": self.tallies}).encode())

    def finish(self, schema: pa.Schema | None = None) -> None:
        """Give the output its name.

        Args:
            schema: of a Parquet file.
        """
        if schema is None:
            os.replace(self._folder / ROWS, self.out)
        else:
            with atomic_path(self.out) as temporary, pq.ParquetWriter(temporary, schema) as writer:
                for number in range(self._shards):
                    writer.write_table(pq.read_table(self._folder / f"{ROWS}-{number:06d}.parquet").cast(schema))
        shutil.rmtree(self._folder)

    def _resume(self, overwrite: bool) -> None:
        try:
            record = json.loads((self._folder / RECORD).read_text())
            job, done = record["job"], (record["rows"], record["bytes"], record["shards"], record["tallies"])
        except FileNotFoundError:
            return
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UserError(f"output: {str(self._folder)!r} is damaged ({error}); delete it to start anew") from error
        if self._job is None:
            shutil.rmtree(self._folder)
            return
        if job == self._job:
            self.done, self._bytes, self._shards, self.tallies = done
            return
        if not overwrite:
            before = job or {}
            names = before.keys() | self._job.keys()
            differing = sorted(name for name in names if before.get(name) != self._job.get(name))
            raise UserError(
                f"output: {str(self._folder)!r} holds an unfinished output of other {', '.join(differing)}; start "
                "anew with --overwrite, or choose another file"
            )
        shutil.rmtree(self._folder)

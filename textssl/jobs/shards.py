"""The folder of a job: its facts, and its shards, which are written once and never changed.

``job.json`` says what the shards are of. ``shard-NNNNNN-CHECKSUM.arrow`` holds the results of one run of rows; it
appears under its name only when it is complete, and the name holds the checksum of its content.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from datasets import Dataset, concatenate_datasets

from ..errors import UserError
from ..files import sha256_of, write_atomically
from .outputs import as_numpy


__all__ = [
    "Shards",
    "finished_shards",
    "intact_shards",
    "open_finished",
    "open_shards",
    "remove_leftovers",
    "shard_count",
    "write_or_check_facts",
    "write_shard",
]

FACTS = "job.json"

_SHARD_NAME = re.compile(r"shard-(?P<number>\d{6,})-(?P<checksum>[0-9a-f]{32})\.arrow")

logger = logging.getLogger(__name__)


class Shards:
    """The finished results of a job, on disk; of :func:`textssl.jobs.run_job` and :func:`open_shards`.

    Args:
        folder: of the job.
        facts: see ``facts`` below.
        paths: of all shards, in order.

    Attributes:
        folder: of the job.
        facts: what ``job.json`` holds: ``version`` of its format, ``job`` (the name), ``data`` (the checksum),
            ``columns`` that the job reads, ``rows`` and ``rows_per_shard``.
    """

    def __init__(self, folder: Path, facts: dict[str, Any], paths: list[Path]) -> None:
        self.folder = folder
        self.facts = facts
        self._paths = paths

    def __len__(self) -> int:
        return int(self.facts["rows"])

    @property
    def column_names(self) -> list[str]:
        """Columns that the job returned."""
        return list(_read(self._paths[0]).column_names)

    def column(self, name: str) -> np.ndarray:
        """All values of a column, [N] or [N, D], in the order of the rows; strings as objects.

        They are copied into memory, except where there is one shard: then the array is the file, and read-only.

        Raises:
            UserError: no such column.
        """
        first = _read(self._paths[0])
        if name not in first.column_names:
            raise UserError(f"column: got {name!r}; the job returned {first.column_names}")
        part = as_numpy(first.column(name))
        if len(self._paths) == 1:
            return part
        values = np.empty((len(self), *part.shape[1:]), part.dtype)
        for start, table in self.tables():
            values[start : start + len(table)] = as_numpy(table.column(name))
        return values

    def tables(self) -> Iterator[tuple[int, pa.Table]]:
        """The number of its first row and the table of each shard, mapped from the disk, in order."""
        for number, path in enumerate(self._paths):
            yield number * self.facts["rows_per_shard"], _read(path)

    def dataset(self) -> Dataset:
        """The results as a data set that is mapped from the disk; a column [N, D] holds lists of D values."""
        return concatenate_datasets([Dataset.from_file(str(path)) for path in self._paths])


def open_shards(folder: str | os.PathLike[str]) -> Shards:
    """Open the results of a job, all of which are read once to check them.

    Args:
        folder: that :func:`textssl.jobs.run_job` wrote.

    Raises:
        UserError: no job in the folder, shards are missing, or one was cut or changed.
    """
    folder = Path(folder)
    if not (folder / FACTS).is_file():
        raise UserError(f"folder: got {str(folder)!r}, which holds no {FACTS}; expected the folder of a job")
    facts = _read_facts(folder)
    found = finished_shards(folder)
    for path in found.values():
        if not _is_intact(path):
            raise UserError(f"folder: {str(path)!r} is corrupt; run the job again to recreate it")
    shards = open_finished(folder, facts)
    if shards is None:
        raise UserError(
            f"folder: {str(folder)!r} holds {len(found)} of {shard_count(facts)} shards of {facts['job']!r}; run the "
            "job again, and it makes what is missing"
        )
    return shards


def open_finished(folder: Path, facts: dict[str, Any]) -> Shards | None:
    """The shards of a job, unread; ``None`` while there are any missing.

    Raises:
        UserError: shards differ in their columns.
    """
    found = finished_shards(folder)
    numbers = range(shard_count(facts))
    if any(number not in found for number in numbers):
        return None
    paths = [found[number] for number in numbers]
    first = _read(paths[0]).schema
    for path in paths:
        if (schema := _read(path).schema) != first:
            raise UserError(
                f"job: {facts['job']!r} returned columns {_described(schema)} for {path.name} and {_described(first)} "
                f"for {paths[0].name}; expected the same for all"
            )
    return Shards(folder, facts, paths)


def write_or_check_facts(folder: Path, facts: Mapping[str, Any]) -> None:
    """Write ``job.json``, or find there what would be written.

    Raises:
        UserError: ``folder`` is a file, or holds another job, other data, or shards of an unknown job.
    """
    if folder.exists() and not folder.is_dir():
        raise UserError(f"folder: got {str(folder)!r}, which is a file; give a folder")
    if not (folder / FACTS).exists():
        if finished_shards(folder):
            raise UserError(f"folder: {str(folder)!r} holds shards and no {FACTS}; give another folder")
        write_atomically(folder / FACTS, json.dumps(facts, indent=2).encode())
        return
    old = _read_facts(folder)
    for key, value in facts.items():
        if old.get(key) != value:
            raise UserError(
                f"folder: {str(folder)!r} holds results of {key} {old.get(key)!r}, not of {key} {value!r}; "
                "give another folder, or delete this one"
            )


def shard_count(facts: Mapping[str, Any]) -> int:
    """Shards of a finished job."""
    return -(-int(facts["rows"]) // int(facts["rows_per_shard"]))


def finished_shards(folder: Path) -> dict[int, Path]:
    """Shards that are there, by number, unread."""
    found: dict[int, Path] = {}
    if folder.is_dir():
        for path in sorted(folder.iterdir()):
            if match := _SHARD_NAME.fullmatch(path.name):
                # Of two, which only a job that gives one row two results can make, all readers take the first.
                found.setdefault(int(match["number"]), path)
    return found


def intact_shards(folder: Path, numbers: Collection[int]) -> set[int]:
    """Those of ``numbers`` whose shards are there and hold what was written; others are deleted with a warning."""
    intact = set()
    for number, path in finished_shards(folder).items():
        if number not in numbers:
            continue
        if _is_intact(path):
            intact.add(number)
        else:
            logger.warning("%s is corrupt; deleting and recreating it", path)
            path.unlink(missing_ok=True)
    return intact


def write_shard(folder: Path, number: int, content: bytes) -> Path:
    """Put a shard on the disk, under the name that it has for good."""
    checksum = hashlib.sha256(content).hexdigest()[:32]
    return write_atomically(folder / f"shard-{number:06d}-{checksum}.arrow", content)


def remove_leftovers(folder: Path) -> None:
    """Delete what killed processes had begun to write, when all shards are there."""
    for path in folder.glob(".shard-*"):
        path.unlink(missing_ok=True)


def _is_intact(path: Path) -> bool:
    match = _SHARD_NAME.fullmatch(path.name)
    return match is not None and sha256_of(path)[:32] == match["checksum"]


def _read(path: Path) -> pa.Table:
    with pa.memory_map(str(path)) as source, pa.ipc.open_stream(source) as reader:
        return reader.read_all()


def _described(schema: pa.Schema) -> str:
    return ", ".join(f"{field.name}: {field.type}" for field in schema)


def _read_facts(folder: Path) -> dict[str, Any]:
    try:
        facts = json.loads((folder / FACTS).read_text())
        shard_count(facts)
    except (ValueError, KeyError, TypeError, ZeroDivisionError) as error:
        raise UserError(f"folder: {str(folder / FACTS)!r} is no description of a job ({error})") from error
    return dict(facts)

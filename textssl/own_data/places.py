"""What a person names in one word: a file, a folder, or a data set of the Hub."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import huggingface_hub
from datasets import Dataset, DatasetDict, load_dataset

from ..data.hub_datasets import hub_fault
from ..data.table_files import TABLE_SUFFIXES
from ..errors import UserError


__all__ = ["hub_dataset", "inner_place", "is_hub_name"]

NAME = re.compile(r"[\w.-]+/[\w.-]+(:[\w.%\[\]+-]+)?")
# A data set that `datasets` saved, with one split or several, and the tables of a folder of images.
SAVED, SEVERAL_SPLITS = "state.json", "dataset_dict.json"
IMAGE_TABLES = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
# Seconds that the Hub has to answer at all.
TIMEOUT = 10.0


def is_hub_name(place: str) -> bool:
    """Whether a word can only be ``owner/name`` of the Hub, with ``:split`` or not."""
    path = Path(place)
    if path.exists() or not NAME.fullmatch(place):
        return False
    return not path.parent.exists() and not path.name.lower().removesuffix(".gz").endswith(TABLE_SUFFIXES)


def inner_place(path: Path, splits: Sequence[str], argument: str) -> Path:
    """The file or folder to read: of a folder of images the table that lists them, of several splits one of them.

    Args:
        path: as a person gave it.
        splits: to be taken, the first that there is.
        argument: what messages call it.

    Raises:
        UserError: an empty folder, or one of several tables.
    """
    if not path.is_dir():
        return path
    entries = sorted(entry.name for entry in path.iterdir() if not entry.name.startswith("."))
    if not entries:
        raise UserError(f"{argument}: the folder {str(path)!r} is empty")
    if SEVERAL_SPLITS in entries:
        return path / next((split for split in splits if split in entries), "")
    if listed := [name for name in entries if name in IMAGE_TABLES]:
        return path / listed[0]
    tables = [name for name in entries if Path(name).name.lower().removesuffix(".gz").endswith(TABLE_SUFFIXES)]
    if tables and SAVED not in entries and all((path / name).is_file() for name in entries):
        raise UserError(f"{argument}: {str(path)!r} is a folder; name one of its files, such as {path / tables[0]}")
    return path


def hub_dataset(place: str, splits: Sequence[str], argument: str) -> tuple[Dataset, str]:
    """One split of a data set of the Hub, and its name.

    No code of the repository is run.

    Args:
        place: ``owner/name``, or ``owner/name:split``.
        splits: to be taken where none is named, the first that there is.
        argument: what messages call it.

    Raises:
        UserError: no such data set or split, several splits of which none is to be taken, no connection.
    """
    name, _, split = place.partition(":")
    parts = _loaded(name, argument)
    wanted = [split] if split else [*splits, *(parts if len(parts) == 1 else ())]
    found = next((part for part in wanted if part in parts), None)
    if found is None:
        first, listed = next(iter(parts)), ", ".join(map(str, parts))
        raise UserError(
            f"{argument}: {name!r} has the splits {listed}, not {wanted[0]!r}; name one, such as {name}:{first}"
        )
    return parts[found].with_format(None), found


def _loaded(name: str, argument: str) -> DatasetDict:
    fault = None if huggingface_hub.constants.HF_HUB_OFFLINE else hub_fault(name, TIMEOUT)
    if fault is None:
        try:
            parts: Any = load_dataset(name)
            return parts
        except Exception as error:  # a network and files of others have more kinds of failure than can be listed
            fault = error
    reason = " ".join(f"{type(fault).__name__}: {fault}".split())
    raise UserError(
        f"{argument}: there is no file or folder {name!r}, and as a data set of the Hub it cannot be loaded "
        f"({reason[:200]})"
    ) from fault

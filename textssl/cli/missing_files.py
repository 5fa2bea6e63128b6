"""Files that a person named and that are not there, told before anything is imported that takes long."""

from __future__ import annotations

from pathlib import Path

from ..errors import UserError


__all__ = ["FILE_SUFFIXES", "check_files"]

# Without one a word may be a folder, a data set of the Hub or a named source.
FILE_SUFFIXES = (".csv", ".tsv", ".jsonl", ".json", ".parquet", ".txt", ".gz")


def check_files(**places: str | None) -> None:
    """Refuse the first word that can only be a file, by its suffix, and is none.

    Args:
        **places: words, by the argument that messages call them.

    Raises:
        UserError: no such file.
    """
    for argument, place in places.items():
        if place is not None and place.lower().endswith(FILE_SUFFIXES) and not Path(place).exists():
            raise UserError(f"{argument}: no such file or folder: {place!r}")

"""What a person names in one word, as rows to be read in windows."""

from __future__ import annotations

import hashlib
from pathlib import Path

from datasets import Dataset

from ..data.table_files import TABLE_SUFFIXES
from ..data.tables import read_table
from ..data.text_files import HEAD, delimiter_of, header_of, suffix_of, utf8_stream
from ..errors import UserError
from ..modalities.image.folder import is_image_folder, load_images
from .csv_streams import CsvStream
from .line_streams import JsonStream, LineStream
from .places import hub_dataset, inner_place, is_hub_name
from .streams import ArrowStream, RowStream, named_file


__all__ = ["open_rows"]

SPLITS = ("test", "validation", "train")
KINDS = {".csv": "csv", ".tsv": "tsv", ".jsonl": "jsonl", ".json": "jsonl", ".txt": "lines"}


def open_rows(place: str, form: str | None = None, text_column: str | None = None, labeled: bool = False) -> RowStream:
    """Open a file of any kind, a folder, a data set of the Hub, or standard input.

    Args:
        place: as a person names it; ``-`` is standard input.
        form: how standard input is written: ``"lines"``, ``"csv"``, ``"tsv"`` or ``"jsonl"``.
        text_column: of texts, where a person named it.
        labeled: whether the folders of a folder of images are classes.

    Raises:
        UserError: nothing there, an unknown kind, or a beginning that cannot be read.
    """
    if place == "-":
        return _of_text(None, form or "lines", text_column)
    if is_hub_name(place):
        dataset, split = hub_dataset(place, SPLITS, "file")
        return ArrowStream(dataset, f"{place.partition(':')[0]}:{split}", f"{place} {split} {dataset._fingerprint}")
    path = inner_place(Path(place), SPLITS, "file")
    if not path.exists():
        raise UserError(f"file: no such file or folder: {place!r}")
    if is_image_folder(path):
        return _image_folder(path, labeled)
    if path.is_dir():
        dataset = _named(path)
        return ArrowStream(dataset, str(path), f"{path.absolute()} {dataset._fingerprint}")
    suffix = suffix_of(path)
    if path.stat().st_size == 0:
        raise UserError(f"file: {place!r} is empty")
    if suffix == ".parquet" and path.suffix.lower() != ".gz":
        return ArrowStream(path, place, "")
    if suffix not in KINDS:
        ends = f"ends in {path.suffix.lower()!r}" if path.suffix else "has no suffix"
        raise UserError(
            f"file: {place!r} {ends}; allowed are {', '.join(TABLE_SUFFIXES)}, those of text also with .gz, a folder "
            "of images, and a folder written by datasets.Dataset.save_to_disk"
        )
    return _of_text(path, KINDS[suffix], text_column)


def _of_text(path: Path | None, kind: str, text_column: str | None) -> RowStream:
    if kind == "jsonl":
        return JsonStream(path)
    if kind == "lines" and path is not None and _has_header(path, text_column or "text"):
        kind = "csv"
    return LineStream(path) if kind == "lines" else CsvStream(path, kind, text_column)


def _has_header(path: Path, column: str) -> bool:
    """Whether a file of lines is a table with the column of texts."""
    with named_file():
        start = utf8_stream(path)[0].read(HEAD)
    header = header_of(start, delimiter_of(start, column, ","))
    return len(header) > 1 and column in header


def _named(path: Path) -> Dataset:
    with named_file():
        return read_table(path, "text")


def _image_folder(path: Path, labeled: bool) -> RowStream:
    with named_file():
        dataset = load_images(path, label_column="label" if labeled else None)
    digest = hashlib.sha256()
    for name in dataset["file"]:
        status = (path / name).stat()
        digest.update(f"{name}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
    return ArrowStream(dataset, str(path), digest.hexdigest(), hidden="image")

"""Write a split of a named data set (IMDb by default) as Parquet files.

    python data_scripts/prepare_imdb.py --output_dir data/imdb-20 --labels 20 --seed 0

Writes train_labeled, unlabeled, validation and test `.parquet`, and `split.json` with the seed, the
rows of the training set in each part, the checksum of that set and where it came from. `row` in a
file is the row of the training (or test) set. The unlabeled file has no labels; where the data set
itself has unlabeled texts they follow, with row -1. `split.json` is written last: a folder without
it is not whole.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from datasets import Dataset, concatenate_datasets

from textssl.data.files import write_parquet
from textssl.data.tables import take_rows
from textssl.errors import UserError
from textssl.sources import SOURCES, LoadedSource, load_source
from textssl.sources.splits import Split, few_labels


FILES = ("train_labeled.parquet", "unlabeled.parquet", "validation.parquet", "test.parquet")
SPLIT_FILE = "split.json"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; return the exit status, 2 for input that cannot work."""
    args = _parser().parse_args(argv)
    try:
        summary = prepare(
            args.output_dir,
            name=args.dataset,
            origin=args.source,
            labels=args.labels,
            validation=args.validation,
            seed=args.seed,
            overwrite=args.overwrite,
        )
    except (UserError, OSError) as error:
        print(f"prepare_imdb: error: {error}", file=sys.stderr)
        return 2
    print(summary)
    return 0


def prepare(
    output_dir: Path,
    *,
    name: str,
    origin: str,
    labels: int,
    validation: int,
    seed: int,
    overwrite: bool,
) -> str:
    """Write the split into a folder.

    Returns:
        One line that says what was written.

    Raises:
        UserError: The folder holds another split, or the data or the sizes cannot be had.
    """
    if output_dir.exists() and not output_dir.is_dir():
        raise UserError(f"--output_dir: {str(output_dir)!r} is a file")
    source = load_source(name, origin)  # type: ignore[arg-type]  # checked there, with a message
    split = few_labels(
        np.asarray(source.train.with_format("numpy")[source.label_column]),
        seed=seed,
        total=labels,
        validation=validation,
        label_names=source.label_names,
        checksum=source.checksum,
        source=f"{source.name} ({source.origin})",
    )
    described = (
        f"{len(split.labeled)} labeled, {len(split.unlabeled)} unlabeled, {len(split.validation)} "
        f"validation and {len(source.test)} test rows of {split.source}, seed {seed}"
    )
    if not overwrite and _holds(output_dir, split):
        return f"{output_dir}: already holds {described}"
    _write(output_dir, source, split)
    return f"{output_dir}: {described}"


def _holds(folder: Path, split: Split) -> bool:
    """Whether the folder holds this split; another one, or part of one, is an error."""
    present = [name for name in (*FILES, SPLIT_FILE) if (folder / name).exists()]
    if not present:
        return False
    if len(present) == len(FILES) + 1 and Split.load(folder / SPLIT_FILE) == split:
        return True
    what = "another split" if SPLIT_FILE in present else f"{present[0]} of an unfinished split"
    raise UserError(f"--output_dir: {str(folder)!r} holds {what}; choose another folder or pass --overwrite")


def _write(folder: Path, source: LoadedSource, split: Split) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / SPLIT_FILE).unlink(missing_ok=True)
    train, column = source.train, source.column
    unlabeled = _with_rows(train.select_columns([column]), split.unlabeled)
    if source.unlabeled is not None:
        more = source.unlabeled.select_columns([column])
        unlabeled = concatenate_datasets([unlabeled, more.add_column("row", pa.array(np.full(len(more), -1)))])
    parts = (
        _with_rows(train, split.labeled),
        unlabeled,
        _with_rows(train, split.validation),
        _with_rows(source.test, np.arange(len(source.test))),
    )
    for name, part in zip(FILES, parts, strict=True):
        write_parquet(part, folder / name)
    split.save(folder / SPLIT_FILE)


def _with_rows(dataset: Dataset, rows: np.ndarray) -> Dataset:
    return take_rows(dataset, rows, {"row": pa.array(rows)})


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description="Write a split of a named data set as Parquet files.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--output_dir", type=Path, required=True, help="folder to write")
    parser.add_argument("--dataset", default="imdb", help=f"one of {', '.join(sorted(SOURCES))}")
    parser.add_argument("--source", default="auto", help="auto, hub or embedded")
    parser.add_argument("--labels", type=int, default=20, help="labeled rows, over all classes")
    parser.add_argument("--validation", type=int, default=1000, help="validation rows")
    parser.add_argument("--seed", type=int, default=0, help="of the split; the test set is fixed")
    parser.add_argument("--overwrite", action="store_true", help="replace a split in the folder")
    return parser


if __name__ == "__main__":
    sys.exit(main())

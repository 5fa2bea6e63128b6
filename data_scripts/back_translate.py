"""Back-translate the texts of a file: adds a column per copy and writes the file anew.

    python data_scripts/back_translate.py --input reviews.csv --output out
    python data_scripts/back_translate.py --input reviews.csv --output out --engine seq2seq
        --forward Helsinki-NLP/opus-mt-en-fr --backward Helsinki-NLP/opus-mt-fr-en --copies 2

The output folder holds the data, in the format of the input, with the columns ``back_translation``
(or ``back_translation_0``, ...) and ``back_translation_kept_reason``, which says why a text was kept as
it is, and ``translations/``, every result by its content. A job that was killed goes on with
``--resume``; so does one with more rows, where only the new texts are translated. ``--run_on ray``
shares the texts among processes of Ray, on this machine or on a cluster, with the same results.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from datasets import Dataset, load_from_disk
from transformers import HfArgumentParser

from textssl.augment.text.apertium import ApertiumEngine
from textssl.augment.text.back_translation import BackTranslation, TranslationEngine
from textssl.augment.text.seq2seq import Seq2SeqEngine
from textssl.augment.text.translation_guard import TranslationReport
from textssl.augment.text.translation_job import TranslationJob
from textssl.data.validation import check_unlabeled
from textssl.errors import UserError
from textssl.files import atomic_path
from textssl.jobs import ENGINES, run_job


@dataclass
class Arguments:
    """The command line."""

    input: str = field(metadata={"help": "a .csv, .jsonl or .parquet file, or a folder of Dataset.save_to_disk"})
    output: str = field(metadata={"help": "folder to write into; made if it does not exist"})
    text_column: str = field(default="text", metadata={"help": "column that holds the texts"})
    name: str = field(default="back_translation", metadata={"help": "name of the new column"})
    engine: str = field(default="apertium", metadata={"help": "apertium or seq2seq"})
    source: str | None = field(
        default=None,
        metadata={"help": "language of the texts: eng for apertium, eng_Latn for NLLB, en for M2M"},
    )
    pivot: str | None = field(
        default=None,
        metadata={"help": "language to go through: spa for apertium, fra_Latn for NLLB"},
    )
    forward: str | None = field(default=None, metadata={"help": "seq2seq: checkpoint to the pivot language"})
    backward: str | None = field(default=None, metadata={"help": "seq2seq: checkpoint back; default: forward"})
    temperature: float = field(default=0.9, metadata={"help": "seq2seq: of the sampling"})
    copies: int = field(default=1, metadata={"help": "translations per text; apertium has one"})
    seed: int = field(default=0, metadata={"help": "of the sampling"})
    keep_negation: bool = field(
        default=False, metadata={"help": "keep a text that negates if its translation does not"}
    )
    negations: str | None = field(
        default=None, metadata={"help": "words that negate in the texts' language, as in nicht,kein; default: English"}
    )
    batch_size: int = field(default=512, metadata={"help": "texts per step; a killed job loses at most one step"})
    processes: int = field(default=1, metadata={"help": "apertium: calls at the same time"})
    run_on: str = field(
        default="local", metadata={"help": "local: this process; ray: --workers processes of Ray, see textssl.jobs"}
    )
    workers: int = field(default=2, metadata={"help": "processes of ray"})
    resume: bool = field(default=False, metadata={"help": "go on in an output folder that has translations"})


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; the exit status is 0, or 2 after an error of the user."""
    description = (__doc__ or "").split("\n")[0]
    parser = HfArgumentParser(cast(Any, Arguments), description=description)
    (arguments,) = parser.parse_args_into_dataclasses(args=argv)
    try:
        path, report = back_translate(arguments)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"wrote {path}", *report.lines(), sep="\n")
    return 0


def back_translate(arguments: Arguments) -> tuple[Path, TranslationReport]:
    """Translate and write; returns the path of the new data, and what came of the texts."""
    source, output = Path(arguments.input), Path(arguments.output)
    translations = output / "translations"
    if output.exists() and not output.is_dir():
        raise UserError(f"--output: got {str(output)!r}, which is a file; give a folder")
    if translations.exists() and not arguments.resume:
        raise UserError(
            f"--output: {str(translations)!r} has translations of an earlier job; give --resume to "
            f"go on with them, or another folder"
        )
    target = output / (source.name if source.is_file() else "dataset")
    if target.resolve() == source.resolve():
        raise UserError(f"--output: got {str(output)!r}, where the input lies; give another folder")
    if arguments.run_on not in ENGINES:
        raise UserError(f"--run_on: got {arguments.run_on!r}; allowed are {', '.join(ENGINES)}")
    dataset = read(source)
    view = BackTranslation(
        make_engine(arguments),
        translations,
        column=arguments.text_column,
        seed=arguments.seed,
        copies=arguments.copies,
        keep_negation=arguments.keep_negation,
        negations=_negations(arguments),
    )
    if arguments.run_on == "ray":
        translate_with_ray(view, dataset, output / "shards", arguments)
    dataset = view.add_column(dataset, arguments.name, batch_size=arguments.batch_size, reasons=True)
    output.mkdir(parents=True, exist_ok=True)
    write(dataset, target)
    assert view.report is not None, "add_column() reports"
    return target, view.report


def _negations(arguments: Arguments) -> list[str] | None:
    """The words that negate; None for those of English.

    Raises:
        UserError: negations are to be kept in another language, and nobody said which words they are.
    """
    if arguments.negations is not None:
        return arguments.negations.split(",")
    if arguments.keep_negation and not (arguments.source or "en").startswith("en"):
        raise UserError(
            f"--keep_negation: the texts are in {arguments.source!r}; say by --negations what negates there"
        )
    return None


def translate_with_ray(view: BackTranslation, dataset: Dataset, folder: Path, arguments: Arguments) -> None:
    """Have Ray translate the different texts, and put the results into the view's store."""
    check_unlabeled(dataset, view.column, argument="--input")
    texts = list(dict.fromkeys(dataset.with_format(None)[view.column]))
    for copy in range(view.copies):
        shards = run_job(
            TranslationJob(view.engine, column=view.column, seed=view.seed, copy=copy),
            Dataset.from_dict({view.column: texts}),
            folder / f"copy-{copy}",
            columns=[view.column],
            rows_per_shard=arguments.batch_size,
            engine="ray",
            workers=arguments.workers,
            description=f"translation {copy}",
        )
        assert shards is not None, "one process makes all shards"
        view.keep(texts, list(shards.column("translation")), copy)


def make_engine(arguments: Arguments) -> TranslationEngine:
    """The engine that the arguments describe."""
    if arguments.engine == "apertium":
        languages = (arguments.source or "eng", arguments.pivot or "spa")
        return ApertiumEngine(*languages, processes=arguments.processes)
    if arguments.engine != "seq2seq":
        raise UserError(f"--engine: got {arguments.engine!r}; allowed are apertium, seq2seq")
    if arguments.forward is None:
        raise UserError("--forward: the seq2seq engine needs a checkpoint, a folder or a Hub name")
    return Seq2SeqEngine(
        arguments.forward,
        arguments.backward,
        source_language=arguments.source,
        pivot_language=arguments.pivot,
        temperature=arguments.temperature,
    )


def read(path: Path) -> Dataset:
    """A data set from a file or folder, in memory; no cache is written."""
    if not path.exists():
        raise UserError(f"--input: {str(path)!r} does not exist")
    if path.is_dir():
        return _read_folder(path)
    if path.suffix not in READERS:
        raise UserError(
            f"--input: got {str(path)!r}; allowed are {', '.join(READERS)} and a folder of Dataset.save_to_disk"
        )
    try:
        return READERS[path.suffix](path)
    except UserError:
        raise
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"--input: cannot read {str(path)!r}: {reason}") from error


def _read_folder(path: Path) -> Dataset:
    try:
        dataset = load_from_disk(path)
    except FileNotFoundError as error:
        raise UserError(f"--input: {str(path)!r} holds no data set of save_to_disk") from error
    if not isinstance(dataset, Dataset):
        splits = ", ".join(str(path / split) for split in dataset)
        raise UserError(f"--input: {str(path)!r} holds several splits; give one of {splits}")
    return dataset


def _read_csv(path: Path) -> Dataset:
    import pandas as pd

    # Only what is empty counts as missing: "NA" and "null" may be texts.
    frame = pd.read_csv(path, keep_default_na=False, na_values=[""])
    return Dataset.from_pandas(frame, preserve_index=False)


def _read_jsonl(path: Path) -> Dataset:
    rows = []
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                rows.append(json.loads(line))
            except json.JSONDecodeError as error:
                raise UserError(f"--input: line {number} of {str(path)!r} is not JSON") from error
    return Dataset.from_list(rows)


def _read_parquet(path: Path) -> Dataset:
    import pyarrow.parquet as pq

    return Dataset(pq.read_table(path))


READERS: dict[str, Callable[[Path], Dataset]] = {
    ".csv": _read_csv,
    ".jsonl": _read_jsonl,
    ".parquet": _read_parquet,
}


def write(dataset: Dataset, path: Path) -> None:
    """Write a data set in the format that the name of ``path`` tells; a file appears whole."""
    if path.suffix not in READERS:
        dataset.save_to_disk(path)
        return
    with atomic_path(path) as temporary:
        if path.suffix == ".csv":
            dataset.to_pandas().to_csv(temporary, index=False)
        elif path.suffix == ".parquet":
            dataset.to_parquet(temporary)
        else:
            _write_jsonl(dataset, temporary)


def _write_jsonl(dataset: Dataset, path: Path) -> None:
    with path.open("w", encoding="utf-8") as file:
        for row in dataset:
            file.write(json.dumps(dict(row), ensure_ascii=False, default=str) + "\n")


if __name__ == "__main__":
    sys.exit(main())

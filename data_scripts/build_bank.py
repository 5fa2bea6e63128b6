"""Cut the texts of files into sentences, and keep the different ones as a bank for retrieval.

    python data_scripts/build_bank.py --input reviews.csv news.txt --output bank
    python data_scripts/build_bank.py --dataset imdb --output bank
    python data_scripts/build_bank.py --input more.parquet --output bank --add

The bank is a folder of Arrow files that are mapped into memory; sentences that differ in case and white space only are
kept once. A job that was killed goes on where it was by the same call. ``--add`` lets a bank grow: what is there is
left as it is.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from datasets import Dataset

from textssl.errors import UserError
from textssl.retrieval import build_bank
from textssl.sources import SOURCES, load_source


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; return the exit status, 2 for input that cannot work."""
    args = _parser().parse_args(argv)
    try:
        bank = build_bank(
            _sources(args),
            args.output,
            text_column=args.text_column,
            min_chars=args.min_chars,
            max_chars=args.max_chars,
            shard_sentences=args.shard_sentences,
            add=args.add,
        )
    except (UserError, OSError) as error:
        print(f"build_bank: error: {error}", file=sys.stderr)
        return 2
    for source in bank.facts.sources:
        print(
            f"{source.name}: {source.documents:,} documents, {source.sentences:,} sentences; left out "
            f"{source.duplicates:,} duplicates and {source.short:,} short ones"
        )
    print(f"{args.output}: {len(bank):,} sentences in {len(bank.facts.shards)} shards, {bank.fingerprint[:12]}")
    return 0


def _sources(args: argparse.Namespace) -> dict[str, Path | Dataset]:
    sources: dict[str, Path | Dataset] = {}
    for path in args.input:
        if path.name in sources:
            raise UserError(f"--input: two files are called {path.name!r}, which neighbours are traced to; rename one")
        sources[path.name] = path
    for name in args.dataset:
        sources[name] = load_source(name, args.source).train
    if not sources:
        raise UserError("--input: give files, or --dataset")
    return sources


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description="Cut texts into sentences and keep the different ones as a bank.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument(
        "--input", type=Path, nargs="+", default=[], help="TXT, CSV, TSV, JSONL, Parquet or saved data sets"
    )
    parser.add_argument("--dataset", nargs="+", default=[], help=f"training texts of {', '.join(sorted(SOURCES))}")
    parser.add_argument("--source", default="auto", help="of --dataset: auto, hub or embedded")
    parser.add_argument("--text_column", default="text", help="column of texts")
    parser.add_argument("--output", type=Path, required=True, help="folder of the bank")
    parser.add_argument("--min_chars", type=int, default=10, help="shorter sentences are left out")
    parser.add_argument("--max_chars", type=int, default=300, help="longer sentences are cut")
    parser.add_argument("--shard_sentences", type=int, default=1 << 20, help="sentences of a file, about")
    parser.add_argument("--add", action="store_true", help="add new inputs to a bank that is there")
    return parser


if __name__ == "__main__":
    sys.exit(main())

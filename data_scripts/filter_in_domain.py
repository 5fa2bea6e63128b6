"""Keep the texts of another domain that a trained classifier is most confident about.

    python data_scripts/filter_in_domain.py --model runs/imdb --dataset rotten_tomatoes \
        --keep 2000 --threshold 0.9 --output snippets.csv

filters the training snippets of Rotten Tomatoes with a classifier of IMDb reviews; `--table FILE`
filters a table of your own. The output has the columns of the input, `label` (the name of a class; `predicted_label`
where the input has labels) and `confidence`, and serves as an unlabeled data set (UDA, Xie et al., 2020,
arXiv:1904.12848). `textssl pseudo-label --per-class 1000 --threshold 0.9` does the same, resumably.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from datasets import Dataset

from textssl.data.written_tables import check_written_suffix, write_table
from textssl.errors import UserError
from textssl.inference import load_classifier
from textssl.retrieval.in_domain import filter_in_domain
from textssl.sources.named import SOURCES, load_source, load_table


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; return the exit status, 2 for input that cannot work."""
    args = _parser().parse_args(argv)
    try:
        _check_output(args.output, args.overwrite)
        dataset = _read(args)
        classifier = load_classifier(args.model)
        if classifier.modality != "text" or classifier.processor is None:
            raise UserError(f"--model: {str(args.model)!r} classifies {classifier.modality}; expected one of texts")
        kept = filter_in_domain(
            classifier.model,
            classifier.processor,
            dataset,
            keep=args.keep,
            threshold=args.threshold,
            balanced=not args.unbalanced,
            text_column=args.text_column,
            batch_size=args.batch_size,
            max_length=args.max_length,
        )
        write_table(kept, args.output)
    except (UserError, OSError) as error:
        print(f"filter_in_domain: error: {error}", file=sys.stderr)
        return 2
    print(f"{args.output}: kept {len(kept)} of {len(dataset)} texts")
    return 0


def _read(args: argparse.Namespace) -> Dataset:
    if args.table is not None:
        return load_table(args.table, text_column=args.text_column, label_column=None)
    return load_source(args.dataset, args.source).train


def _check_output(path: Path, overwrite: bool) -> None:
    check_written_suffix(path, "--output")
    if not path.parent.is_dir():
        raise UserError(f"--output: no folder {str(path.parent)!r}")
    if path.exists() and not overwrite:
        raise UserError(f"--output: {str(path)!r} exists; pass --overwrite to replace it")


def _number(text: str) -> int | float:
    """A whole number is a count, anything else a share."""
    return int(text) if text.isdecimal() else float(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description="Keep the texts of another domain that a classifier is most confident about.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--model", type=Path, required=True, help="folder of a trained classifier")
    texts = parser.add_mutually_exclusive_group(required=True)
    texts.add_argument("--table", type=Path, help="CSV, TSV, JSON(L), Parquet or a saved data set")
    texts.add_argument("--dataset", help=f"one of {', '.join(sorted(SOURCES))}")
    parser.add_argument("--source", default="auto", help="of --dataset: auto, hub or embedded")
    parser.add_argument("--text_column", default="text", help="column of texts")
    parser.add_argument(
        "--output", "-o", type=Path, required=True, help="file to write: .csv, .tsv, .jsonl or .parquet"
    )
    parser.add_argument("--keep", type=_number, required=True, help="rows (1000) or share (0.1)")
    parser.add_argument("--threshold", type=float, default=0.0, help="least confidence")
    parser.add_argument("--unbalanced", action="store_true", help="do not balance the classes")
    parser.add_argument("--batch_size", type=int, default=32, help="texts in a batch")
    parser.add_argument("--max_length", type=int, default=None, help="most tokens of a text")
    parser.add_argument("--overwrite", action="store_true", help="replace the output")
    return parser


if __name__ == "__main__":
    sys.exit(main())

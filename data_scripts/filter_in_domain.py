"""Keep the texts of another domain that a trained classifier is most confident about.

    python data_scripts/filter_in_domain.py --model runs/imdb --dataset rotten_tomatoes \
        --keep 2000 --threshold 0.9 --output snippets.parquet

filters the training snippets of Rotten Tomatoes with a classifier of IMDb reviews; `--table FILE`
filters a table of your own. The output has the columns of the input, `in_domain_label` and
`in_domain_confidence`, and serves as an unlabeled data set (UDA, Xie et al., 2020,
arXiv:1904.12848).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from datasets import Dataset

from textssl.data.files import write_parquet
from textssl.errors import UserError
from textssl.retrieval.in_domain import filter_in_domain
from textssl.sources.named import SOURCES, load_source, load_table


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; return the exit status, 2 for input that cannot work."""
    args = _parser().parse_args(argv)
    try:
        _check_output(args.output, args.overwrite)
        dataset = _read(args)
        model, tokenizer = load_classifier(args.model)
        kept = filter_in_domain(
            model,
            tokenizer,
            dataset,
            keep=args.keep,
            threshold=args.threshold,
            balanced=not args.unbalanced,
            text_column=args.text_column,
            batch_size=args.batch_size,
            max_length=args.max_length,
        )
        write_parquet(kept, args.output)
    except (UserError, OSError) as error:
        print(f"filter_in_domain: error: {error}", file=sys.stderr)
        return 2
    print(f"{args.output}: kept {len(kept)} of {len(dataset)} texts")
    return 0


def load_classifier(folder: Path) -> tuple[Any, Any]:
    """Load a trained classifier and its tokenizer from a folder, without the network.

    Raises:
        UserError: No such folder, no safetensors weights or tokenizer in it, or weights without a
            trained classifier.
    """
    if not (folder / "config.json").is_file():
        raise UserError(f"--model: {str(folder)!r} is not a folder with a model (no config.json)")
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        model, info = AutoModelForSequenceClassification.from_pretrained(
            folder,
            local_files_only=True,
            use_safetensors=True,
            dtype=torch.float32,
            output_loading_info=True,
        )
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"--model: cannot load {str(folder)!r}: {reason}") from error
    if info["missing_keys"]:
        missing = sorted(info["missing_keys"])
        raise UserError(f"--model: {str(folder)!r} holds no trained classifier; it lacks the weights {missing}")
    if torch.cuda.is_available():
        model = model.to("cuda")
    return model, tokenizer


def _read(args: argparse.Namespace) -> Dataset:
    if args.table is not None:
        return load_table(args.table, text_column=args.text_column, label_column=None)
    return load_source(args.dataset, args.source).train


def _check_output(path: Path, overwrite: bool) -> None:
    if path.suffix != ".parquet":
        raise UserError(f"--output: {str(path)!r} must end in .parquet")
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
    parser.add_argument("--output", type=Path, required=True, help="Parquet file to write")
    parser.add_argument("--keep", type=_number, required=True, help="rows (1000) or share (0.1)")
    parser.add_argument("--threshold", type=float, default=0.0, help="least confidence")
    parser.add_argument("--unbalanced", action="store_true", help="do not balance the classes")
    parser.add_argument("--batch_size", type=int, default=32, help="texts in a batch")
    parser.add_argument("--max_length", type=int, default=None, help="most tokens of a text")
    parser.add_argument("--overwrite", action="store_true", help="replace the output")
    return parser


if __name__ == "__main__":
    sys.exit(main())

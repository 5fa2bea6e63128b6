"""Label texts by a trained classifier: a data set for noisy_student, self_training or distillation.

    python data_scripts/pseudo_label.py --teacher outputs/uda_imdb/uda --input many.jsonl --output labeled
    python data_scripts/pseudo_label.py --teacher big --input many.parquet --output labeled --threshold 0.8
        --balance duplicate --engine ray --workers 8

The output folder holds ``pseudo_labeled.parquet``: the rows of the input that were kept, with the columns ``probs``,
``pseudo_label`` and ``confidence``; a trainer takes it as its unlabeled data. Probabilities are kept in shards in
``probs/``: a job that was killed goes on with the same call, and another choice of rows labels nothing anew.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
from datasets import Dataset

from textssl.data.files import write_parquet
from textssl.data.tables import take_rows
from textssl.errors import UserError
from textssl.jobs import ENGINES, run_job
from textssl.modalities.text.truncation import TRUNCATIONS
from textssl.retrieval import ScoreJob
from textssl.self_training.selection import BALANCES, NEED_A_PRIOR, check_selection, select_pseudo_labels
from textssl.sources.named import load_table
from textssl.training.distribution_alignment import Alignment, alignment_prior, parsed_alignment


OUTPUT = "pseudo_labeled.parquet"
COLUMNS = ("probs", "pseudo_label", "confidence")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; return the exit status, 2 for input that cannot work."""
    args = _parser().parse_args(argv)
    try:
        balance = _balance(args.balance)
        chosen = {name: getattr(args, name) for name in ("threshold", "per_class", "total")}
        chosen["balance"] = balance if isinstance(balance, str) else "labeled"
        check_selection(**chosen)
        dataset = _read(args)
        job = ScoreJob(
            args.teacher,
            column=args.text_column,
            pair_column=args.text_pair_column,
            max_length=args.max_length,
            truncation=args.truncation,
            batch_size=args.batch_size,
        )
        job.load()
        classes = len(job.label_names)
        prior = alignment_prior(balance, [1 / classes] * classes, job.label_names, "balance")
        shards = run_job(
            job,
            dataset,
            args.output / "probs",
            columns=job.columns,
            engine=args.engine,
            workers=args.workers,
            rows_per_shard=args.shard_rows,
            description="label",
        )
        assert shards is not None, "one process makes all shards"
        probs = shards.column("probs")
        selection = select_pseudo_labels(probs, **chosen, prior=prior, seed=args.seed)
        size = probs.shape[1]
        columns = {
            "probs": pa.FixedSizeListArray.from_arrays(pa.array(probs[selection.rows].reshape(-1)), size),
            "pseudo_label": pa.array(selection.labels),
            "confidence": pa.array(selection.confidence),
        }
        kept = take_rows(dataset, selection.rows, columns, pseudo_label=job.label_names)
        write_parquet(kept, args.output / OUTPUT)
    except (UserError, OSError) as error:
        print(f"pseudo_label: error: {error}", file=sys.stderr)
        return 2
    print(f"{args.output / OUTPUT}: {len(kept):,} rows of {len(dataset):,} ({selection.describe(job.label_names)})")
    return 0


def _balance(given: str) -> Alignment:
    if given in NEED_A_PRIOR:
        raise UserError(f"balance: got {given!r}, which needs labeled examples; give the shares, or 'uniform'")
    return parsed_alignment(given, "balance", [word for word in BALANCES if word not in NEED_A_PRIOR])


def _read(args: argparse.Namespace) -> Dataset:
    dataset = load_table(
        args.input, text_column=args.text_column, label_column=None, text_pair_column=args.text_pair_column
    )
    if taken := sorted({*COLUMNS} & {*dataset.column_names}):
        raise UserError(f"--input: it already has a column {taken[0]!r}")
    return dataset


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description="Label texts by a trained classifier, and keep the most confident.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--teacher", type=Path, required=True, help="folder of a trained classifier")
    parser.add_argument("--input", type=Path, required=True, help="CSV, TSV, JSON(L), Parquet or a saved data set")
    parser.add_argument("--text_column", default="text", help="column of texts")
    parser.add_argument("--text_pair_column", default=None, help="column of second texts, of pairs")
    parser.add_argument("--output", type=Path, required=True, help="folder of all results")
    parser.add_argument("--threshold", type=float, default=0.0, help="least confidence of a kept row")
    parser.add_argument("--per_class", type=int, default=None, help="most rows of a class")
    parser.add_argument("--total", type=int, default=None, help="most rows of all")
    parser.add_argument("--balance", default="none", help="of classes: none, uniform, duplicate, or shares: 0.3,0.7")
    parser.add_argument("--seed", type=int, default=0, help="of copies")
    parser.add_argument("--batch_size", type=int, default=32, help="texts in a batch")
    parser.add_argument("--max_length", type=int, default=None, help="most tokens of a text; as trained if not given")
    parser.add_argument(
        "--truncation",
        choices=TRUNCATIONS,
        default=None,
        help="what a longer text loses: its end, its start, or its middle (head_tail); as trained if not given",
    )
    parser.add_argument("--shard_rows", type=int, default=4096, help="rows of a shard: what a kill can lose")
    parser.add_argument("--engine", default="local", choices=ENGINES, help="where the job runs, see textssl.jobs")
    parser.add_argument("--workers", type=int, default=2, help="processes of ray")
    return parser


if __name__ == "__main__":
    sys.exit(main())

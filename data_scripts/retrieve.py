"""Find sentences for a task in a bank, and label them by a teacher: SentAugment (Du et al., 2021, arXiv:2010.02194).

    python data_scripts/retrieve.py --bank bank --labeled labeled.csv --teacher runs/teacher --output found \
        --num_neighbors 1000 --per_class 500 --evaluation test.csv

asks the bank with the average of the labeled texts of each class, removes repeats and what the evaluation files hold,
scores what remains by the teacher and keeps the most confident of each class. ``found/retrieved.parquet`` has the
examples with their probabilities, ``found/provenance.json`` what they were made of. ``--queries random`` is the
control. A job that was killed goes on with ``--resume``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from textssl.errors import UserError
from textssl.jobs import ENGINES
from textssl.retrieval import RetrievalConfig, open_bank, retrieve
from textssl.sources.named import load_table


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; return the exit status, 2 for input that cannot work."""
    args = _parser().parse_args(argv)
    try:
        if args.output.exists() and not args.resume:
            raise UserError(f"--output: {str(args.output)!r} exists; give --resume to go on in it, or another folder")
        config = _config(args)
        found = retrieve(
            open_bank(args.bank),
            load_table(args.labeled, args.text_column, args.label_column),
            args.teacher,
            args.output,
            config,
            encoder=args.encoder,
            text_column=args.text_column,
            label_column=args.label_column,
            evaluation=[load_table(path, args.text_column, label_column=None) for path in args.evaluation],
            store=args.store,
            batch_size=args.batch_size,
            engine=args.engine,
            workers=args.workers,
        )
    except (UserError, OSError) as error:
        print(f"retrieve: error: {error}", file=sys.stderr)
        return 2
    names = found.features["label"].names
    labels = list(found["label"])
    print(
        f"{args.output}: {len(found)} examples, " + ", ".join(f"{n}: {labels.count(i)}" for i, n in enumerate(names))
    )
    return 0


def _config(args: argparse.Namespace) -> RetrievalConfig:
    return RetrievalConfig(
        queries=args.queries,
        num_neighbors=args.num_neighbors,
        max_length=args.max_length,
        index=args.index,
        nprobe=args.nprobe,
        rerank=args.rerank,
        exact=args.exact,
        near_duplicate=args.near_duplicate or None,
        near_evaluation=args.near_evaluation or None,
        teacher_max_length=args.teacher_max_length,
        truncation=args.truncation,
        threshold=args.threshold,
        per_class=args.per_class,
        total=args.total,
        balance=args.balance,
        seed=args.seed,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description="Find sentences for a task in a bank, and label them by a teacher.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--bank", type=Path, required=True, help="folder of build_bank.py")
    add("--labeled", type=Path, required=True, help="CSV, TSV, JSON(L), Parquet or a saved data set")
    add("--teacher", type=Path, required=True, help="folder of a classifier of the same classes")
    add("--output", type=Path, required=True, help="folder to write into")
    add("--evaluation", type=Path, nargs="+", default=[], help="tables whose texts must not come back")
    add("--text_column", default="text", help="column of texts, in all tables")
    add("--label_column", default="label", help="column of labels")
    add("--encoder", default="embedded", help="model of sentence-transformers: a folder, a Hub name, or embedded")
    add("--max_length", type=int, default=None, help="most tokens that the encoder reads")
    add("--queries", default="label_average", help="label_average, all_average, per_sentence or random")
    add("--num_neighbors", type=int, default=1000, help="neighbours of a query")
    add("--index", default="auto", help="auto, flat, ivf, pq or hnsw")
    add("--nprobe", type=int, default=None, help="lists that a query looks into, or of hnsw: sentences")
    add("--rerank", type=int, default=None, help="candidates for each neighbour that are compared exactly")
    add("--exact", action="store_true", help="scan all embeddings, without an index")
    add("--store", type=Path, default=None, help="folder of embeddings and index; --output by default")
    add("--near_duplicate", type=float, default=0.95, help="cosine of near-duplicates; 0 keeps them")
    add("--near_evaluation", type=float, default=0.95, help="cosine to an evaluation sentence; 0 keeps what is near")
    add("--teacher_max_length", type=int, default=None, help="most tokens that the teacher reads")
    add("--truncation", default=None, help="what a text longer than that loses: end, start or head_tail")
    add("--threshold", type=float, default=0.0, help="least confidence of the teacher")
    add("--per_class", type=int, default=None, help="most examples of a class")
    add("--total", type=int, default=None, help="most examples")
    add("--balance", default="labeled", help="labeled (shares of the labeled data), none or duplicate")
    add("--seed", type=int, default=0, help="of all draws")
    add("--batch_size", type=int, default=64, help="texts per pass of encoder and teacher")
    add("--engine", default="local", help=" or ".join(ENGINES))
    add("--workers", type=int, default=2, help="processes of --engine ray")
    add("--resume", action="store_true", help="go on in an output folder that exists")
    return parser


if __name__ == "__main__":
    sys.exit(main())

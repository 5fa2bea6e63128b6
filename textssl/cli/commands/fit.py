"""``textssl fit``: the library chooses the classifier."""

from __future__ import annotations

from typing import Annotated

import typer


__all__ = ["command"]


def command(
    labeled: Annotated[str, typer.Argument(help="Labeled data: CSV, TSV, JSONL, Parquet or a folder.")],
    unlabeled: Annotated[str | None, typer.Argument(help="Unlabeled data of the same kinds.")] = None,
    test: Annotated[str | None, typer.Option(help="Held-out labeled data, evaluated once at the end.")] = None,
    output: Annotated[
        str, typer.Option("--output", "-o", help="Folder of the results and the model.")
    ] = "outputs/fit",
    level: Annotated[str, typer.Option(help="fast, balanced or best.")] = "balanced",
) -> None:
    """Train candidates from cheap to expensive, compare them by cross-validation, and keep the best."""
    from ..fit.program import fit_program

    words = ["--train_file", labeled, "--output_dir", output, "--level", level]
    words += [] if unlabeled is None else ["--unlabeled_file", unlabeled]
    words += [] if test is None else ["--test_file", test]
    fit_program(words)

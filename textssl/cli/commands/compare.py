"""``textssl compare``: methods over seeds, on the same data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ..missing_files import check_files


__all__ = ["ADDS_HELP", "CONTEXT_SETTINGS", "command"]

# Flags of training go to all cells.
CONTEXT_SETTINGS: dict[str, Any] = {"allow_extra_args": True, "ignore_unknown_options": True}
ADDS_HELP = True


def command(
    context: typer.Context,
    labeled: Annotated[str | None, typer.Argument(help="Labeled data: CSV, TSV, JSONL, Parquet or a folder.")] = None,
    unlabeled: Annotated[str | None, typer.Argument(help="Unlabeled data of the same kinds.")] = None,
    methods: Annotated[
        str | None, typer.Option(help="Names with commas between; `textssl train --help` lists them.")
    ] = None,
    seeds: Annotated[
        str | None,
        typer.Option(help="How many, 3 for the seeds 0, 1 and 2; or which, with commas: 0,5,7. Default: 3."),
    ] = None,
    labels: Annotated[
        str | None,
        typer.Option(help="Numbers of labeled examples with commas between; the others are used without labels."),
    ] = None,
    test: Annotated[
        str | None, typer.Option(help="Held-out labeled data: each cell is measured on them once.")
    ] = None,
    source: Annotated[str | None, typer.Option(help="Named data in place of files, such as imdb.")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="A setting of one method: fixmatch.threshold=0.8. Repeatable.")
    ] = None,
    add: Annotated[str | None, typer.Option(help="More methods for the comparison in the folder.")] = None,
    baseline: Annotated[
        bool, typer.Option("--baseline/--no-baseline", help="Train the supervised baseline of each seed.")
    ] = True,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Cells at a time. Default: by processors, memory and accelerators.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder of the comparison. Default: outputs/compare_DATA.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> int:
    """Train several methods over several seeds, beside the supervised baseline on the same labels.

    Each cell is a run of its own and is trained once: the same command goes on after an interruption, and `--add` or
    more `--seeds` run what is missing. Texts are embedded once for all cells. After the files, any flag of
    `textssl train` that the methods have goes to all of them, such as `--backend features` or `--max_steps 300`.

    `textssl compare few.csv many.csv --test held_out.csv --methods uda,fixmatch,vat --seeds 3`
    """
    check_files(train_file=labeled, unlabeled_file=unlabeled, test_file=test)
    from ..compare.program import compare_program
    from ..compare.request import CompareRequest

    # A flag of training may stand where a file could.
    words = [word for word in (labeled, unlabeled, *context.args) if word is not None]
    return compare_program(
        CompareRequest(
            words=words, source=source, test=test, methods=methods, add=add, seeds=seeds, labels=labels,
            settings=settings or (), baseline=baseline, jobs=jobs, output=output, json=json,
        )
    )  # fmt: skip

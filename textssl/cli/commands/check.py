"""``textssl check``: what is odd about data, and what training does about it."""

from __future__ import annotations

from typing import Annotated

import typer

from ..missing_files import check_files


__all__ = ["command"]


def command(
    labeled: Annotated[
        str, typer.Argument(help="Labeled data: CSV, TSV, JSONL, Parquet, a folder of images or a saved data set.")
    ],
    unlabeled: Annotated[str | None, typer.Argument(help="Unlabeled data of the same kinds.")] = None,
    validation: Annotated[str | None, typer.Option(help="Labeled data that training is followed by.")] = None,
    test: Annotated[str | None, typer.Option(help="Held-out labeled data.")] = None,
    text_column: Annotated[str | None, typer.Option(help="Column of the texts; found if it is not named.")] = None,
    image_column: Annotated[str | None, typer.Option(help="Column of the images; found if it is not named.")] = None,
    label_column: Annotated[str | None, typer.Option(help="Column of the labels; found if it is not named.")] = None,
    max_length: Annotated[int, typer.Option(help="Maximum number of tokens that training reads.")] = 128,
    encoder: Annotated[
        str, typer.Option(help="A folder or a model of the Hub, whose tokenizer counts; embedded: all-MiniLM-L6-v2.")
    ] = "embedded",
    suspects: Annotated[
        bool, typer.Option("--suspects", help="Look for labels that may be wrong, by predictions without each row.")
    ] = False,
    output: Annotated[
        str | None, typer.Option("--output", "-o", help="CSV file of the suspects; asks for --suspects.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Random seed of the folds that find suspects.")] = 0,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> int:
    """Look at data before training: duplicates, contradictions, leaks, odd texts and labels, and what training does.

    Exit status 1 if textssl fit or textssl train would refuse the data, else 0.
    """
    check_files(labeled=labeled, unlabeled=unlabeled, validation=validation, test=test)
    from pathlib import Path

    from ...fit.parts import Columns
    from .. import console
    from ..check.lines import report_lines
    from ..check.program import checked, write_suspects

    given = {"labeled": labeled, "unlabeled": unlabeled, "validation": validation, "test": test}
    files = {name: path for name, path in given.items() if path is not None}
    columns = Columns(text_column, image_column, label_column)
    report, refused = checked(files, columns, encoder, max_length, suspects or output is not None, seed)
    if report is not None and output is not None:
        write_suspects(report, Path(output))
    if json:
        found = {} if report is None else report.as_json()
        console.print_json({**found, "refused": {"fit": refused.fit, "train": refused.train}})
    elif report is None:
        console.result(f"textssl fit refuses: {refused.fit}\ntextssl train refuses: {refused.train}")
    else:
        console.result("\n".join(report_lines(report, refused, console.width())))
    if output is not None:
        console.say(f"written: {output}")
    if not refused.any:
        console.next_step("textssl", "fit", labeled, *([] if unlabeled is None else [unlabeled]))
    return 1 if refused.any else 0

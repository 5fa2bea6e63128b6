"""``textssl predict``: a saved classifier labels a file."""

from __future__ import annotations

from typing import Annotated

import typer

from ..missing_files import check_files


__all__ = ["command"]


def command(
    model: Annotated[
        str,
        typer.Argument(help="Folder of a model, output folder of fit or train, or owner/name of the Hub."),
    ],
    file: Annotated[
        str,
        typer.Argument(
            help="CSV, TSV, JSONL, Parquet, plain lines (.txt), a folder of images, a saved data set, or - for "
            "standard input."
        ),
    ],
    output: Annotated[
        str,
        typer.Option(
            "--output", "-o", help="File to write, its format by its suffix, also with .gz; - is standard output."
        ),
    ] = "-",
    probabilities: Annotated[
        bool, typer.Option("--probabilities", help="Add a column probability_CLASS for each class.")
    ] = False,
    text_column: Annotated[
        str | None, typer.Option(help="Column of the texts; that of the training, or the only one, if not named.")
    ] = None,
    text_pair_column: Annotated[
        str | None, typer.Option(help="Column of the second texts, of a model that reads pairs.")
    ] = None,
    image_column: Annotated[str | None, typer.Option(help="Column of the images, likewise.")] = None,
    feature_column: Annotated[str | None, typer.Option(help="Column of vectors of features, likewise.")] = None,
    format: Annotated[
        str | None,
        typer.Option("--format", help="How standard input and output are written: lines, csv, tsv or jsonl."),
    ] = None,
    batch_size: Annotated[int | None, typer.Option(help="Inputs per pass of the model.")] = None,
    encoder: Annotated[
        str | None, typer.Option(help="Frozen encoder of a head on features that does not say which it was.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an output that is there.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print counts as one JSON document.")] = False,
) -> None:
    """Write the file with two more columns: the label that the model gives each row, and its confidence.

    The same command again goes on where it was interrupted.
    """
    check_files(file=file)
    from ..inference.options import InferenceOptions
    from ..inference.prediction import run_predict

    run_predict(
        InferenceOptions(
            model=model,
            file=file,
            output=output,
            probabilities=probabilities,
            text_column=text_column,
            text_pair_column=text_pair_column,
            image_column=image_column,
            feature_column=feature_column,
            format=format,
            batch_size=batch_size,
            encoder=encoder,
            overwrite=overwrite,
            json=json,
        )
    )

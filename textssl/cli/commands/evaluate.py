"""``textssl evaluate``: scores of a saved classifier on a labeled file."""

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
            help="Labeled data: CSV, TSV, JSONL, Parquet, a folder of images with a folder for each class, a saved "
            "data set, or owner/name of the Hub."
        ),
    ],
    output: Annotated[
        str | None, typer.Option("--output", "-o", help="File for the predictions, its format by its suffix.")
    ] = None,
    label_column: Annotated[
        str | None, typer.Option(help="Column of the labels; that of the training, or the only one, if not named.")
    ] = None,
    text_column: Annotated[str | None, typer.Option(help="Column of the texts, likewise.")] = None,
    text_pair_column: Annotated[
        str | None, typer.Option(help="Column of the second texts, of a model that reads pairs.")
    ] = None,
    image_column: Annotated[str | None, typer.Option(help="Column of the images, likewise.")] = None,
    feature_column: Annotated[str | None, typer.Option(help="Column of vectors of features, likewise.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Inputs per pass of the model.")] = None,
    encoder: Annotated[
        str | None, typer.Option(help="Frozen encoder of a head on features that does not say which it was.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an output that is there.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print all scores as one JSON document.")] = False,
) -> None:
    """Measure accuracy, macro-F1, each class, log-loss, calibration and confusion on labeled data.

    Labels are matched by the names of the classes. Rows without a label are left out, and counted.
    """
    check_files(file=file)
    from ..inference.evaluation import run_evaluate
    from ..inference.options import InferenceOptions

    run_evaluate(
        InferenceOptions(
            model=model,
            file=file,
            output=output,
            label_column=label_column,
            text_column=text_column,
            text_pair_column=text_pair_column,
            image_column=image_column,
            feature_column=feature_column,
            batch_size=batch_size,
            encoder=encoder,
            overwrite=overwrite,
            json=json,
        )
    )

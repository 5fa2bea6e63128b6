"""``textssl fit``: the library chooses the classifier."""

from __future__ import annotations

from typing import Annotated

import typer

from ..missing_files import check_files


__all__ = ["command"]


def command(
    labeled: Annotated[
        str,
        typer.Argument(
            help="Labeled data: CSV, TSV, JSONL, Parquet, a folder of images, a saved data set, owner/name of the "
            "Hub, or a named source such as rotten_tomatoes. Rows without a label are unlabeled examples."
        ),
    ],
    unlabeled: Annotated[str | None, typer.Argument(help="Unlabeled data of the same kinds.")] = None,
    test: Annotated[str | None, typer.Option(help="Held-out labeled data, evaluated once at the end.")] = None,
    output: Annotated[
        str, typer.Option("--output", "-o", help="Folder of the results and, in model, of the classifier.")
    ] = "outputs/fit",
    level: Annotated[
        str,
        typer.Option(
            help="fast: heads on a frozen encoder, under two minutes for 5,000 texts; balanced: fine-tuning too, "
            "under twenty; best: without a limit."
        ),
    ] = "balanced",
    time_budget: Annotated[
        str | None, typer.Option(help="Time limit in place of that of the level, such as 300, 5m or 1h.")
    ] = None,
    text_column: Annotated[str | None, typer.Option(help="Column of the texts; found if it is not named.")] = None,
    image_column: Annotated[str | None, typer.Option(help="Column of the images; found if it is not named.")] = None,
    label_column: Annotated[str | None, typer.Option(help="Column of the labels; found if it is not named.")] = None,
    encoder: Annotated[
        str,
        typer.Option(
            help="A folder, a model of the Hub, or embedded: for texts all-MiniLM-L6-v2 of a package, for "
            "images histograms of oriented gradients."
        ),
    ] = "embedded",
    max_length: Annotated[int, typer.Option(help="Maximum number of tokens; longer texts are truncated.")] = 128,
    labels: Annotated[
        int | None, typer.Option(help="Number of labels to use; the other rows are unlabeled examples.")
    ] = None,
    label_names: Annotated[
        str | None,
        typer.Option(help="The classes in their order, with commas between them; with them no row needs a label."),
    ] = None,
    label_descriptions: Annotated[
        str | None, typer.Option(help="YAML or JSON file: for each class a description, or a list of them.")
    ] = None,
    embedding_cache: Annotated[str | None, typer.Option(help="Folder of the embeddings that runs share.")] = None,
    seed: Annotated[int, typer.Option(help="Random seed of the folds and the training.")] = 0,
    overwrite: Annotated[bool, typer.Option(help="Start anew where the output folder holds another result.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the result as one JSON document.")] = False,
) -> None:
    """Choose and train a classifier: candidates from cheap to expensive, compared by cross-validation.

    The same command again goes on where it was interrupted.
    """
    check_files(labeled=labeled, unlabeled=unlabeled, test=test)
    from pathlib import Path

    from ...sources.named import SOURCES
    from ..fit.options import FitOptions
    from ..fit.program import run_fit

    named = labeled.partition(":")[0] in SOURCES and not Path(labeled).exists()
    options = FitOptions(
        source=labeled if named else None,
        train_file=None if named else labeled,
        unlabeled_file=unlabeled,
        test_file=test,
        text_column=text_column,
        image_column=image_column,
        label_column=label_column,
        num_labeled=labels,
        encoder=encoder,
        level=level,
        time_budget=time_budget,
        max_length=max_length,
        label_names=None if label_names is None else [name.strip() for name in label_names.split(",")],
        label_descriptions=label_descriptions,
        output_dir=output,
        embedding_cache=embedding_cache,
        seed=seed,
        overwrite=overwrite,
    )
    options.names = ("labeled", "unlabeled", "test")
    run_fit(options, json)

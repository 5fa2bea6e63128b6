"""``textssl augment``: the views that training would draw."""

from __future__ import annotations

from typing import Annotated

import typer

from ...catalog.names import method_names
from ..missing_files import check_files


__all__ = ["command"]


def command(
    file: Annotated[str, typer.Argument(help="Texts or images, taken as the unlabeled examples of a training.")],
    method: Annotated[
        str, typer.Option(help="Method whose views and preset are taken.", autocompletion=lambda: [*method_names()])
    ] = "uda",
    view: Annotated[str | None, typer.Option(help="The only view to make: weak, strong, weak_2, ...")] = None,
    rows: Annotated[int, typer.Option(help="Number of rows.")] = 10,
    strong: Annotated[
        str | None,
        typer.Option(
            help="Strong view of texts: tfidf, uniform, apertium, tfidf+apertium, seq2seq, ctaugment; of images: "
            "randaugment, ctaugment; or a column of the file. Default: that of the preset."
        ),
    ] = None,
    replace: Annotated[float | None, typer.Option(help="Share of words that tfidf and uniform replace.")] = None,
    seed: Annotated[int | None, typer.Option(help="Random seed of the views; default: that of training.")] = None,
    epoch: Annotated[int, typer.Option(min=0, help="Which visit to each example, from 0.")] = 0,
    run: Annotated[str | None, typer.Option(help="Folder of a run whose strengths ctaugment takes.")] = None,
    text_column: Annotated[str | None, typer.Option(help="Column of the texts; found if it is not named.")] = None,
    image_column: Annotated[str | None, typer.Option(help="Column of the images; found if it is not named.")] = None,
    output: Annotated[
        str | None, typer.Option("--output", "-o", help="CSV file of the texts, or PNG file of the images.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show examples beside the views that training would draw of them, with the changes marked."""
    check_files(file=file)
    import sys

    from .. import console
    from ..augment.output import as_json, print_in_color, text_lines
    from ..augment.program import make_views
    from ..augment.request import ViewRequest
    from ..augment.writing import check_output, write_views

    request = ViewRequest(file, method, view, rows, strong, replace, seed, epoch, text_column, image_column, run)
    check_output(output)
    shown = make_views(request)
    if output is not None or shown.modality == "image":
        console.say(f"written: {write_views(shown, output)}")
    for note in shown.notes:
        console.say(note)
    if json:
        console.print_json(as_json(shown))
    elif shown.modality == "text" and sys.stdout.isatty():
        print_in_color(shown)
    elif shown.modality == "text":
        console.result("\n".join(text_lines(shown)).rstrip())
    if shown.strengths is not None and not json:
        for name, rates in shown.strengths.items():
            console.result(f"{name:<16} {' '.join(f'{rate:.2f}' for rate in rates)}")

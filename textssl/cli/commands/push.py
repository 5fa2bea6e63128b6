"""``textssl push``: a classifier on the Hugging Face Hub."""

from __future__ import annotations

from typing import Annotated

import typer


__all__ = ["command"]


def command(
    model: Annotated[str, typer.Argument(help="Folder of a model, or output of fit or train.")],
    repo: Annotated[str, typer.Argument(help="Repository on the Hub: user/name, or name for one of your own.")],
    private: Annotated[
        bool | None, typer.Option("--private/--public", help="Of a new repository; default: as the account has it.")
    ] = None,
    revision: Annotated[str | None, typer.Option(help="Branch to commit to.")] = None,
    report: Annotated[bool, typer.Option(help="Upload the report too, without texts and images of your data.")] = True,
    with_examples: Annotated[
        bool, typer.Option("--with-examples", help="Keep texts and images of your data in the report.")
    ] = False,
    widget: Annotated[
        list[str] | None, typer.Option(help="Example text for the model's page; may be repeated.")
    ] = None,
) -> None:
    """Upload the model, its tokenizer, its card and its report in one commit.

    Log in with `hf auth login`, or set `HF_TOKEN`. Pickles and settings are never uploaded. Again after a broken
    connection, the same command sends what is missing.
    """
    from ...errors import UserError
    from ...hub import push_folder
    from ...inference.place import find_model
    from ...report.shared_page import shared_report
    from ..console import next_step, result

    place = find_model(model)
    if place.folder is None:
        raise UserError(f"model: got {model!r}; expected a folder on this machine")
    page = shared_report(place.folder, with_examples) if report else None
    url = push_folder(place.folder, repo, private=private, revision=revision, report=page, widget=tuple(widget or ()))
    result(url)
    next_step("textssl", "predict", repo if "/" in repo else url.split("/", 3)[-1], "FILE", "-o", "OUT.csv")

"""``textssl pseudo-label``: a trained classifier labels a file, and the most confident rows are kept."""

from __future__ import annotations

from typing import Annotated

import typer


__all__ = ["command"]


def command(
    teacher: Annotated[
        str,
        typer.Argument(help="Trained classifier: folder of a model, output folder of fit or train, or owner/name."),
    ],
    file: Annotated[str, typer.Argument(help="Texts to label: CSV, TSV, JSONL, Parquet, also .gz, or a folder.")],
    output: Annotated[
        str, typer.Option("--output", "-o", help="File to write: .csv, .tsv, .jsonl (also .gz) or .parquet.")
    ],
    text_column: Annotated[
        str | None, typer.Option(help="Column of texts; default: that of the training, or the only one that fits.")
    ] = None,
    text_pair_column: Annotated[
        str | None, typer.Option(help="Column of second texts, of a teacher that reads pairs; default: as trained.")
    ] = None,
    threshold: Annotated[float, typer.Option(help="Least confidence of a row that is kept.")] = 0.0,
    per_class: Annotated[int | None, typer.Option(help="Most rows of a class, the most confident.")] = None,
    total: Annotated[int | None, typer.Option(help="Most rows of all.")] = None,
    balance: Annotated[
        str, typer.Option(help="Of the classes: none, uniform, duplicate, or shares such as 0.3,0.7.")
    ] = "none",
    probabilities: Annotated[bool, typer.Option(help="Write the probability of each class.")] = True,
    max_length: Annotated[int | None, typer.Option(help="Most tokens of a text; default: as trained.")] = None,
    truncation: Annotated[
        str | None, typer.Option(help="What a longer text loses: end, start or head_tail; default: as trained.")
    ] = None,
    encoder: Annotated[
        str | None, typer.Option(help="What made the features of the teacher; default: what the teacher names.")
    ] = None,
    batch_size: Annotated[int, typer.Option(help="Texts of a batch.")] = 32,
    shard_rows: Annotated[int, typer.Option(help="Rows of a part: what a kill can lose.")] = 4096,
    engine: Annotated[str, typer.Option("--engine", "--run-on", help="Where the job runs: local or ray.")] = "local",
    workers: Annotated[int, typer.Option(help="Processes of ray.")] = 2,
    seed: Annotated[int, typer.Option(help="Of the copies that balance duplicate draws.")] = 0,
    parts: Annotated[
        str | None,
        typer.Option(help="Folder that keeps the probabilities of all rows: another choice labels nothing anew."),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the output.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was written as JSON.")] = False,
) -> None:
    """Label the texts of a file by a trained classifier, and keep the most confident.

    The output has the columns of the input and **label**, **confidence** and **probability_NAME** of each class. It is
    labeled data for any method, and unlabeled data for distillation, self_training and noisy_student. A job that was
    killed goes on with the same command.
    """
    from ...corpus.outputs import OutputFile
    from ...corpus.pseudo_labels import SelectionSettings, pseudo_label_file
    from ..console import next_step, print_json, progress, result, say

    selection = SelectionSettings(threshold, per_class, total, balance, seed)
    target = OutputFile(output, inputs=(file,), overwrite=overwrite, parts=parts)
    if target.resumes:
        say(f"going on with {target.parts}")
    found = pseudo_label_file(
        teacher,
        file,
        target,
        selection,
        text_column=text_column,
        text_pair_column=text_pair_column,
        max_length=max_length,
        truncation=truncation,
        encoder=encoder,
        batch_size=batch_size,
        probabilities=probabilities,
        rows_per_shard=shard_rows,
        engine=engine,
        workers=workers,
        progress=progress,
    )
    if found is None:
        return
    if as_json:
        print_json(found.facts())
    else:
        result(found.describe())
    next_step("textssl", "train", "LABELED.csv", output, "--method", "distillation")

"""``textssl back-translate``: a column of back-translations, a strong view of texts."""

from __future__ import annotations

from typing import Annotated

import typer


__all__ = ["command"]


def command(
    file: Annotated[str, typer.Argument(help="Texts: CSV, TSV, JSONL, Parquet, also .gz, or a folder.")],
    output: Annotated[
        str, typer.Option("--output", "-o", help="File to write: .csv, .tsv, .jsonl (also .gz) or .parquet.")
    ],
    engine: Annotated[
        str, typer.Option(help="Translator: apertium (rules, any CPU), or seq2seq (a Marian, NLLB or M2M100 model).")
    ] = "apertium",
    text_column: Annotated[str | None, typer.Option(help="Column of texts; default: the only one that fits.")] = None,
    name: Annotated[str, typer.Option(help="Name of the new column.")] = "back_translation",
    source: Annotated[
        str | None, typer.Option(help="Language of the texts: eng for apertium, eng_Latn for NLLB, en for M2M100.")
    ] = None,
    pivot: Annotated[
        str | None, typer.Option(help="Language to go through: spa for apertium, fra_Latn for NLLB.")
    ] = None,
    forward: Annotated[str | None, typer.Option(help="Of seq2seq: checkpoint to the pivot language.")] = None,
    backward: Annotated[str | None, typer.Option(help="Of seq2seq: checkpoint back; default: forward.")] = None,
    temperature: Annotated[float, typer.Option(help="Of seq2seq: of the sampling.")] = 0.9,
    copies: Annotated[int, typer.Option(help="Translations of each text; apertium has one.")] = 1,
    keep_negation: Annotated[
        bool, typer.Option("--keep-negation", help="Keep a text that negates if its translation does not.")
    ] = False,
    negations: Annotated[
        str | None, typer.Option(help="Words that negate in the texts' language, as in nicht,kein; default: English.")
    ] = None,
    batch_size: Annotated[int, typer.Option(help="Texts of a step: what a kill can lose.")] = 512,
    processes: Annotated[int, typer.Option(help="Of apertium: calls at the same time.")] = 1,
    run_on: Annotated[str, typer.Option(help="Where the job runs: local or ray.")] = "local",
    workers: Annotated[int, typer.Option(help="Processes of ray.")] = 2,
    seed: Annotated[int, typer.Option(help="Of the sampling.")] = 0,
    parts: Annotated[
        str | None, typer.Option(help="Folder that keeps all translations: more rows translate only what is new.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the output.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was written as JSON.")] = False,
) -> None:
    """Translate texts to another language and back: a column that `--strong` of `textssl train` takes.

    The output has the rows of the input in their order. Where a translation is not accepted, the text stands, and a
    column says why. A job that was killed goes on with the same command.
    """
    from ...corpus.back_translations import TranslatorSettings, back_translate_file
    from ...corpus.outputs import OutputFile
    from ...corpus.processes import check_one_process
    from ..console import next_step, print_json, progress, result, say

    check_one_process("back-translate")
    settings = TranslatorSettings(
        engine=engine,
        source=source,
        pivot=pivot,
        forward=forward,
        backward=backward,
        temperature=temperature,
        processes=processes,
        copies=copies,
        seed=seed,
        keep_negation=keep_negation,
        negations=None if negations is None else negations.split(","),
    )
    target = OutputFile(output, inputs=[file], overwrite=overwrite, parts=parts)
    if target.resumes:
        say(f"going on with {target.parts}")
    done = back_translate_file(
        file,
        target,
        settings,
        text_column=text_column,
        name=name,
        batch_size=batch_size,
        engine=run_on,
        workers=workers,
        progress=progress,
    )
    if as_json:
        print_json(done.facts())
    else:
        result(done.describe())
    next_step("textssl", "train", "LABELED.csv", output, "--method", "uda", "--strong", done.columns[0])

"""``textssl bank``: a bank of sentences, and what it holds of a task."""

from __future__ import annotations

from typing import Annotated

import typer


__all__ = ["app", "build", "search"]

app = typer.Typer(no_args_is_help=True, help="Build a bank of sentences, or search one for a task.")


@app.command()
def build(
    file: Annotated[
        list[str] | None, typer.Argument(help="Texts: TXT (a text a line), CSV, TSV, JSONL, Parquet or a folder.")
    ] = None,
    output: Annotated[str, typer.Option("--output", "-o", help="Folder of the bank.")] = "bank",
    text_column: Annotated[
        str | None, typer.Option(help="Column of texts; default: of each file the only one that fits.")
    ] = None,
    dataset: Annotated[
        list[str] | None, typer.Option(help="Named data whose training texts join the bank, such as imdb.")
    ] = None,
    source: Annotated[str, typer.Option(help="Where named data come from: auto, hub or embedded.")] = "auto",
    min_chars: Annotated[int, typer.Option(help="Shorter sentences are left out.")] = 10,
    max_chars: Annotated[int, typer.Option(help="Longer sentences are cut.")] = 300,
    shard_sentences: Annotated[int, typer.Option(help="Sentences of a file of the bank, about.")] = 1 << 20,
    add: Annotated[bool, typer.Option("--add", help="Let a bank that is there grow by these files.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what the bank holds as JSON.")] = False,
) -> None:
    """Cut the texts of files into sentences, and keep the different ones.

    A job that was killed goes on with the same command.
    """
    from ...corpus.banks import build_bank_of_files, describe_bank
    from ...corpus.processes import check_one_process
    from ..console import next_step, print_json, progress, result

    check_one_process("bank build")
    bank = build_bank_of_files(
        file or [],
        output,
        named=dataset or [],
        origin=source,
        text_column=text_column,
        min_chars=min_chars,
        max_chars=max_chars,
        shard_sentences=shard_sentences,
        add=add,
        progress=progress,
    )
    if as_json:
        print_json(describe_bank(bank))
    else:
        for part in bank.facts.sources:
            result(
                f"{part.name}: {part.documents:,} documents, {part.sentences:,} sentences; left out "
                f"{part.duplicates:,} duplicates and {part.short:,} short ones"
            )
        result(f"{output}: {len(bank):,} sentences in {len(bank.facts.shards)} shards, {bank.fingerprint[:12]}")
    next_step("textssl", "bank", "search", output, "LABELED.csv", "-o", "found.csv")


@app.command()
def search(
    bank: Annotated[str, typer.Argument(help="Folder of `bank build`.")],
    file: Annotated[str, typer.Argument(help="Labeled examples of the task.")],
    output: Annotated[
        str, typer.Option("--output", "-o", help="File to write: .csv, .tsv, .jsonl (also .gz) or .parquet.")
    ],
    teacher: Annotated[
        str | None, typer.Option(help="Trained classifier that labels what is found; default: nothing is labeled.")
    ] = None,
    evaluation: Annotated[
        list[str] | None, typer.Option(help="File whose texts must not come back; may be repeated.")
    ] = None,
    text_column: Annotated[
        str | None, typer.Option(help="Column of texts; default: of each file the only one that fits.")
    ] = None,
    label_column: Annotated[
        str | None, typer.Option(help="Column of labels; default: the only one that fits.")
    ] = None,
    queries: Annotated[
        str, typer.Option(help="label_average, all_average, per_sentence, or random as a control.")
    ] = "label_average",
    num_neighbors: Annotated[
        int | None, typer.Option(help="Neighbors of a query; default: 1000, or all of a smaller bank.")
    ] = None,
    threshold: Annotated[float, typer.Option(help="Least confidence of the teacher.")] = 0.0,
    per_class: Annotated[int | None, typer.Option(help="Most examples of a class.")] = None,
    total: Annotated[int | None, typer.Option(help="Most examples of all.")] = None,
    balance: Annotated[
        str, typer.Option(help="Of the teacher's classes: labeled (shares of the labeled data), none or duplicate.")
    ] = "labeled",
    near_duplicate: Annotated[float, typer.Option(help="Cosine of near-duplicates; 0 keeps them.")] = 0.95,
    near_evaluation: Annotated[
        float, typer.Option(help="Cosine to an evaluation sentence; 0 keeps what is near.")
    ] = 0.95,
    encoder: Annotated[
        str, typer.Option(help="Model of sentence-transformers: a folder, a name on the Hub, or embedded.")
    ] = "embedded",
    max_length: Annotated[int | None, typer.Option(help="Most tokens that the encoder reads.")] = None,
    index: Annotated[str, typer.Option(help="auto, flat, ivf, pq or hnsw.")] = "auto",
    nprobe: Annotated[int | None, typer.Option(help="Lists that a query looks into, or of hnsw: sentences.")] = None,
    rerank: Annotated[int | None, typer.Option(help="Candidates for each neighbor that are compared exactly.")] = None,
    exact: Annotated[bool, typer.Option("--exact", help="Scan all embeddings, without an index.")] = False,
    store: Annotated[
        str | None, typer.Option(help="Folder of embeddings and index; default: one in the bank, for all tasks.")
    ] = None,
    teacher_max_length: Annotated[int | None, typer.Option(help="Most tokens that the teacher reads.")] = None,
    truncation: Annotated[
        str | None, typer.Option(help="What a longer text loses: end, start or head_tail; default: as trained.")
    ] = None,
    teacher_encoder: Annotated[
        str | None, typer.Option(help="What made the features of the teacher; default: what the teacher names.")
    ] = None,
    batch_size: Annotated[int, typer.Option(help="Texts of a batch, of encoder and teacher.")] = 64,
    engine: Annotated[str, typer.Option("--engine", "--run-on", help="Where the jobs run: local or ray.")] = "local",
    workers: Annotated[int, typer.Option(help="Processes of ray.")] = 2,
    seed: Annotated[int, typer.Option(help="Of all draws.")] = 0,
    parts: Annotated[str | None, typer.Option(help="Folder that keeps the results of each stage.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the output.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was made of what as JSON.")] = False,
) -> None:
    """Find the sentences of a bank that are nearest to labeled examples, and label them by a teacher.

    This is SentAugment (Du et al., 2021). Sentences that stand in the labeled examples or in the evaluation files are
    left out. A job that was killed goes on with the same command.
    """
    from ...corpus.banks import search_bank
    from ...corpus.outputs import OutputFile
    from ...corpus.processes import check_one_process
    from ...retrieval import RetrievalConfig, open_bank
    from ..console import next_step, print_json, progress, result, say

    check_one_process("bank search")
    opened = open_bank(bank)
    config = RetrievalConfig(
        queries=queries,
        num_neighbors=min(1000, len(opened)) if num_neighbors is None else num_neighbors,
        max_length=max_length,
        index=index,
        nprobe=nprobe,
        rerank=rerank,
        exact=exact,
        near_duplicate=near_duplicate or None,
        near_evaluation=near_evaluation or None,
        teacher_max_length=teacher_max_length,
        truncation=truncation,
        threshold=threshold,
        per_class=per_class,
        total=total,
        balance=balance,
        seed=seed,
    )
    target = OutputFile(output, inputs=[file, *(evaluation or [])], overwrite=overwrite, parts=parts)
    if target.resumes:
        say(f"going on with {target.parts}")
    found = search_bank(
        opened,
        file,
        target,
        config,
        teacher=teacher,
        evaluation=evaluation or [],
        text_column=text_column,
        label_column=label_column,
        encoder=encoder,
        teacher_encoder=teacher_encoder,
        store=store,
        batch_size=batch_size,
        engine=engine,
        workers=workers,
        progress=progress,
    )
    if as_json:
        print_json({"output": output, "rows": found.rows, "left_out": found.left_out(), **found.provenance})
    else:
        result(found.describe())
    if teacher is None:
        next_step("textssl", "pseudo-label", "MODEL", output, "-o", "pseudo.csv")
    else:
        next_step("textssl", "train", file, output, "--method", "distillation")

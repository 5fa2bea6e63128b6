"""Banks of sentences of a person's files, and what they hold of a task, as a file."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datasets import Dataset

from ..data.tables import load_table
from ..errors import UserError
from ..jobs import ShowProgress
from ..own_data import read_own_data
from ..retrieval import Bank, EmbedJob, RetrievalConfig, build_bank, retrieve
from ..retrieval.pipeline import PROVENANCE
from ..sources.named import load_source
from .inputs import find_text_column
from .outputs import OutputFile


__all__ = ["Found", "build_bank_of_files", "describe_bank", "search_bank"]

TEXT, LABEL = "text", "label"
# Why a candidate is left out, by what a person calls it.
REASONS = {
    "evaluation": "stand in the evaluation data",
    "labeled": "stand in the labeled examples",
    "duplicates": "are repeats",
    "near_duplicates": "are near-duplicates",
}


def build_bank_of_files(
    files: Sequence[str | os.PathLike[str]],
    folder: str | os.PathLike[str],
    *,
    named: Sequence[str] = (),
    origin: str = "auto",
    text_column: str | None = None,
    min_chars: int = 10,
    max_chars: int = 300,
    shard_sentences: int = 1 << 20,
    add: bool = False,
    progress: bool | ShowProgress = True,
) -> Bank:
    """Cut the texts of files and of named data into sentences, and keep the different ones.

    Args:
        files: see :func:`textssl.retrieval.build_bank`; two with one name are called by their paths.
        folder: of the bank.
        named: keys of :data:`textssl.sources.named.SOURCES`, whose training texts are taken.
        origin: of named data: auto, hub or embedded.
        text_column: of texts; by default of each file the only one that fits.
        min_chars: shorter sentences are left out.
        max_chars: longer sentences are cut.
        shard_sentences: of a shard.
        add: let a bank grow.
        progress: as for :func:`textssl.jobs.run_job`.

    Raises:
        UserError: no files and no names; as from :func:`textssl.retrieval.build_bank`.
    """
    sources: dict[str, Path | Dataset] = {}
    columns: dict[str, str] = {}
    paths = [Path(file) for file in files]
    for path in paths:
        alone = sum(other.name == path.name for other in paths) == 1
        name = path.name if alone else str(path)
        sources[name], columns[name] = path, find_text_column(path, text_column)
    for name in named:
        loaded = load_source(name, origin)  # type: ignore[arg-type]
        if loaded.modality != "text":
            raise UserError(f"dataset: {name!r} holds {loaded.modality}; a bank is of texts")
        sources[name], columns[name] = loaded.train.select_columns([loaded.column]), loaded.column
    if not sources:
        raise UserError("file: got none; give files of texts, or named data by dataset")
    return build_bank(
        sources,
        folder,
        text_column=columns,
        min_chars=min_chars,
        max_chars=max_chars,
        shard_sentences=shard_sentences,
        add=add,
        progress=progress,
    )


def describe_bank(bank: Bank) -> dict[str, Any]:
    """Sentences in all and of each source, for JSON."""
    return {
        "output": str(bank.folder),
        "sentences": len(bank),
        "fingerprint": bank.fingerprint,
        "sources": [
            {
                "name": source.name,
                "documents": source.documents,
                "sentences": source.sentences,
                "duplicates": source.duplicates,
                "short": source.short,
            }
            for source in bank.facts.sources
        ],
    }


@dataclass(frozen=True)
class Found:
    """What a search wrote.

    Attributes:
        path: of the file.
        rows: of the file.
        provenance: what the rows were made of; see :func:`textssl.retrieval.retrieve`.
    """

    path: Path
    rows: int
    provenance: dict[str, Any]

    def left_out(self) -> dict[str, int]:
        """How many candidates were left out, by reason."""
        counts = self.provenance["cleaning"]
        totals = {reason: counts.get(reason, 0) for reason in REASONS}
        totals["evaluation"] = sum(count for name, count in counts.items() if name.startswith("evaluation"))
        return totals

    def describe(self) -> str:
        """Lines for a person."""
        left = [f"{count:,} {REASONS[reason]}" for reason, count in self.left_out().items() if count]
        lines = [
            f"{self.path}: {self.rows:,} sentences",
            f"candidates: {self.provenance['cleaning']['candidates']:,}; left out: {', '.join(left) or 'none'}",
        ]
        classes = self.provenance.get("classes")
        if classes is not None:
            pairs = zip(classes["names"], classes["counts"], strict=True)
            lines.append("; ".join(f"{name}: {count:,}" for name, count in pairs))
        return "\n".join(lines)


def search_bank(
    bank: Bank,
    labeled: str | os.PathLike[str],
    output: OutputFile,
    config: RetrievalConfig,
    *,
    teacher: str | None = None,
    evaluation: Sequence[str | os.PathLike[str]] = (),
    text_column: str | None = None,
    label_column: str | None = None,
    encoder: str = "embedded",
    teacher_encoder: str | None = None,
    store: str | os.PathLike[str] | None = None,
    batch_size: int = 64,
    engine: str = "local",
    workers: int = 2,
    progress: bool | ShowProgress = True,
) -> Found:
    """Find sentences of a task in a bank, and write them as one file; see :func:`textssl.retrieval.retrieve`.

    Args:
        bank: of sentences.
        labeled: file of labeled examples.
        output: where to write.
        config: all other settings.
        teacher: labels what is found; ``None`` labels nothing.
        evaluation: files whose texts must not come back.
        text_column: of all files; by default of each the only one that fits.
        label_column: of ``labeled``; likewise.
        encoder: of texts.
        teacher_encoder: of a teacher on features that does not name what made them.
        store: folder of the bank's embeddings and index; by default one for each encoder within the bank.
        batch_size: texts per pass.
        engine: as for :func:`textssl.jobs.run_job`.
        workers: as for :func:`textssl.jobs.run_job`.
        progress: as for :func:`textssl.jobs.run_job`.

    Raises:
        UserError: as from :func:`textssl.retrieval.retrieve`.
    """
    embed = EmbedJob(encoder, max_length=config.max_length, batch_size=batch_size)
    if store is None:
        store = bank.folder / "embedded" / hashlib.sha256(embed.name.encode()).hexdigest()[:12]
    examples = retrieve(
        bank,
        _labeled(labeled, text_column, label_column),
        teacher,
        output.parts,
        config,
        encoder=encoder,
        teacher_encoder=teacher_encoder,
        text_column=TEXT,
        label_column=LABEL,
        evaluation=[_texts(path, text_column) for path in evaluation],
        store=store,
        batch_size=batch_size,
        engine=engine,
        workers=workers,
        progress=progress,
    )
    provenance = json.loads((output.parts / PROVENANCE).read_text())
    output.write(examples)
    return Found(output.path, len(examples), provenance)


def _labeled(path: str | os.PathLike[str], text_column: str | None, label_column: str | None) -> Dataset:
    """Texts and labels of a file, under the names ``text`` and ``label``."""
    chosen = read_own_data(path, "file", text_column=text_column, label_column=label_column)
    if chosen.modality != "text" or chosen.label_column is None:
        raise UserError(f"file: {chosen.name} has no column of labels; name it by label_column")
    rows = load_table(path, chosen.column, chosen.label_column)
    return _renamed(rows.select_columns([chosen.column, chosen.label_column]), [TEXT, LABEL])


def _texts(path: str | os.PathLike[str], text_column: str | None) -> Dataset:
    column = find_text_column(path, text_column)
    return _renamed(load_table(path, column, label_column=None).select_columns([column]), [TEXT])


def _renamed(dataset: Dataset, names: Sequence[str]) -> Dataset:
    return dataset.rename_columns(dict(zip(dataset.column_names, names, strict=True)))

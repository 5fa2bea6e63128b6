"""The retrieval pipeline: from a bank of sentences to examples of a task, labeled by a teacher if there is one.

SentAugment (Du et al., 2021, arXiv:2010.02194): embed the bank, ask it with the labeled examples of each class, clean
what is found, let a fine-tuned teacher score it, and keep the most confident of each class in the proportions of the
labeled data. A student is then trained on the teacher's probabilities.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from datasets import ClassLabel, Dataset

from ..data.files import content_checksum, write_parquet
from ..data.validation import check_labeled, check_texts
from ..errors import UserError
from ..features import Encoder
from ..files import write_atomically
from ..jobs import ShowProgress, run_job
from ..self_training.selection import select_pseudo_labels
from .bank import Bank, check_k, random_bank_sample
from .candidates import Candidates, as_examples, best_of_each, labeled_examples
from .cleaning import Cleaned, clean, evaluation_sentences
from .encoding import Embeddings, EmbedJob, embed_bank, embed_texts, open_embeddings
from .indexing import build_index
from .scoring import ScoreJob, check_teacher
from .searching import Queries, SearchJob, find_neighbours, label_queries
from .settings import RANDOM, RetrievalConfig


__all__ = ["PROVENANCE", "RETRIEVED", "retrieve"]

RETRIEVED = "retrieved.parquet"
PROVENANCE = "provenance.json"


def retrieve(
    bank: Bank,
    labeled: Dataset,
    teacher: str | os.PathLike[str] | None,
    output: str | os.PathLike[str],
    config: RetrievalConfig | None = None,
    *,
    encoder: str | os.PathLike[str] | Encoder = "embedded",
    teacher_encoder: str | None = None,
    text_column: str = "text",
    label_column: str = "label",
    evaluation: Sequence[Dataset] = (),
    store: str | os.PathLike[str] | None = None,
    batch_size: int = 64,
    engine: str = "local",
    workers: int = 2,
    progress: bool | ShowProgress = True,
) -> Dataset:
    """Find examples of a task in a bank, and label them by a teacher.

    What evaluation sets or the labeled examples hold does not come back.

    Every stage is kept, and the same call goes on where a kill cut it off. ``output`` then holds
    ``retrieved.parquet``, the examples, and ``provenance.json``: what they were made of, what was removed and why,
    and how many there are of each class.

    Args:
        bank: of sentences.
        labeled: examples with a ``ClassLabel``. A text is asked for whole, as far as the encoder reads.
        teacher: a classifier of these classes, see :class:`textssl.retrieval.ScoreJob`; ``None`` finds sentences and
            labels none.
        output: folder of all results; made where it is missing.
        config: all other settings.
        encoder: see :class:`textssl.retrieval.EmbedJob`.
        teacher_encoder: of a teacher on features, where it does not name what made them.
        text_column: of ``labeled`` and ``evaluation``.
        label_column: of ``labeled``.
        evaluation: data sets whose texts must not come back.
        store: folder of the embeddings of the bank and of the evaluation sets, and of the index, where other tasks
            find them; ``output`` by default.
        batch_size: texts per pass of encoder and teacher.
        engine: as for :func:`textssl.jobs.run_job`.
        workers: as for :func:`textssl.jobs.run_job`.
        progress: as for :func:`textssl.jobs.run_job`.

    Returns:
        K rows: ``text``; with a teacher ``label``, the name of the most likely class, its ``confidence``, and
        ``probability_NAME`` of each class; ``similarity`` to the query that found it, and ``query_label``, the name of
        its class, ``None`` if it was of all classes; ``source`` and ``document`` in the bank. Without a teacher the
        most similar come first.

    Raises:
        UserError: a class without a labeled example, ``num_neighbors`` above the size of the bank, other classes,
            an evaluation set without texts; a selection by confidence without a teacher; nothing that could be kept; a
            folder with results of other settings.
    """
    task = _Retrieval(
        bank=bank,
        labeled=labeled,
        output=Path(output),
        store=Path(output if store is None else store),
        config=config or RetrievalConfig(),
        columns=(text_column, label_column),
        run={"engine": engine, "workers": workers, "progress": progress},
    )
    label_names = task.check(evaluation)
    embed = EmbedJob(encoder, max_length=task.config.max_length, batch_size=batch_size)
    score = None
    if teacher is None:
        task.config.check_without_teacher()
    else:
        score = ScoreJob(
            teacher,
            max_length=task.config.teacher_max_length,
            truncation=task.config.truncation,
            batch_size=batch_size,
            encoder=teacher_encoder,
        )
        order = check_teacher(score, label_names)
    found = task.candidates(embed, label_names)
    cleaned = task.cleaned(found, embed, evaluation)
    found = found.take(cleaned.rows)
    if score is None:
        return task.unlabeled(found, cleaned, label_names)
    return task.selected(found, cleaned, score, label_names, order)


@dataclass(frozen=True)
class _Retrieval:
    """One call of :func:`retrieve`."""

    bank: Bank
    labeled: Dataset
    output: Path
    store: Path
    config: RetrievalConfig
    columns: tuple[str, str]
    run: dict[str, Any]

    def check(self, evaluation: Sequence[Dataset]) -> list[str]:
        """Check the data before anything long; the names of the classes."""
        text_column, label_column = self.columns
        check_k(self.config.num_neighbors, self.bank, "num_neighbors")
        feature = self.labeled.features.get(label_column)
        if not isinstance(feature, ClassLabel):
            raise UserError(f"label_column: {label_column!r} of the labeled data is {feature}; expected a ClassLabel")
        names = [str(name) for name in feature.names]
        known = {name: number for number, name in enumerate(names)}
        check_labeled(self.labeled, text_column, label_column, len(names), known, argument="labeled")
        for number, dataset in enumerate(evaluation):
            check_texts(dataset, text_column, f"evaluation {number}")
        return names

    def candidates(self, embed: EmbedJob, label_names: list[str]) -> Candidates:
        """What the bank answers."""
        text_column, label_column = self.columns
        texts = list(self.labeled.with_format(None)[text_column])
        vectors = embed_texts(texts, self.output / "labeled", embed, description="embed labeled texts", **self.run)
        labels = np.asarray(self.labeled.with_format(None)[label_column][:], np.int64)
        if self.config.queries == RANDOM:
            return self._random(embed, label_queries(vectors, labels, label_names))
        queries = label_queries(vectors, labels, label_names, self.config.queries)
        return self._neighbours(embed, queries)

    def _random(self, embed: EmbedJob, queries: Queries) -> Candidates:
        """Of a bank that is not embedded yet only the sample is."""
        count = min(len(self.bank), self.config.num_neighbors * len(queries.labels))
        rows = random_bank_sample(self.bank, count, self.config.seed)
        stored = self._stored(embed)
        if stored is None:
            texts = self.bank.texts(rows)
            vectors = embed_texts(texts, self.output / "sample", embed, description="embed sample", **self.run)
        else:
            vectors = stored.take(rows)
        scores = vectors @ queries.vectors.T
        return Candidates(rows, scores.max(1), queries.labels[scores.argmax(1)], vectors, {"encoder": embed.name})

    def _stored(self, embed: EmbedJob) -> Embeddings | None:
        """The embeddings of the bank by this encoder, if all are there."""
        try:
            stored = open_embeddings(self.bank, self.store / "embeddings")
        except UserError:
            return None
        return stored if stored.name == embed.name else None

    def _neighbours(self, embed: EmbedJob, queries: Queries) -> Candidates:
        config = self.config
        embeddings = embed_bank(self.bank, self.store / "embeddings", embed, **self.run)
        # A scan is no reason to refuse an index that other tasks have built.
        folder = self.store / ("scan" if config.exact else "index")
        index = build_index(
            embeddings,
            folder,
            kind="flat" if config.exact else config.index,
            nlist=config.nlist,
            nprobe=config.nprobe,
            rerank=config.rerank,
            progress=self.run["progress"],
        )
        folders = (self.bank.folder, self.store / "embeddings", folder)
        job = SearchJob(*folders, config.num_neighbors, name=index.name, exact=config.exact)
        scores, rows = find_neighbours(job, queries, self.output / "neighbours", **self.run)
        rows, places = best_of_each(rows.reshape(-1), scores.reshape(-1))
        labels = np.repeat(queries.labels, config.num_neighbors)[places]
        facts = {"encoder": embed.name, "index": job.name}
        return Candidates(rows, scores.reshape(-1)[places], labels, embeddings.take(rows), facts)

    def cleaned(self, found: Candidates, embed: EmbedJob, evaluation: Sequence[Dataset]) -> Cleaned:
        """What remains of the candidates."""
        texts = [str(text) for dataset in evaluation for text in dataset.with_format(None)[self.columns[0]]]
        vectors = None
        if (sentences := evaluation_sentences(texts)) and self.config.near_evaluation is not None:
            # By their content: other tasks and other queries have the same.
            checksum = content_checksum(Dataset.from_dict({"text": sentences}), ["text"])
            folder = self.store / f"evaluation-{checksum[:12]}"
            vectors = embed_texts(sentences, folder, embed, description="embed evaluation sentences", **self.run)
        cleaned = clean(
            self.bank.texts(found.rows),
            found.vectors,
            found.similarity,
            evaluation=texts,
            evaluation_vectors=vectors,
            labeled=[str(text) for text in self.labeled.with_format(None)[self.columns[0]]],
            near_duplicate=self.config.near_duplicate,
            near_evaluation=self.config.near_evaluation,
            progress=self.run["progress"],
        )
        if not len(cleaned.rows):
            why = ", ".join(
                f"{name} {count}" for name, count in cleaned.counts.items() if count and name != "candidates"
            )
            raise UserError(f"bank: none of the {len(found.rows):,} sentences found is left; left out were: {why}")
        return cleaned

    def unlabeled(self, found: Candidates, cleaned: Cleaned, label_names: list[str]) -> Dataset:
        """Write what was found."""
        dataset = as_examples(self.bank.rows(found.rows), found, label_names)
        write_parquet(dataset, self.output / RETRIEVED)
        self._write_provenance(found.facts, cleaned, len(dataset), {})
        return dataset

    def selected(
        self, found: Candidates, cleaned: Cleaned, score: ScoreJob, label_names: list[str], order: list[int]
    ) -> Dataset:
        """Score, select, and write."""
        examples = as_examples(self.bank.rows(found.rows), found, label_names)
        folder = self.output / "scores"
        shards = run_job(score, examples, folder, columns=["text"], description="score candidates", **self.run)
        assert shards is not None, "one process makes all shards"
        probs = shards.column("probs")[:, order]
        config = self.config
        selection = select_pseudo_labels(
            probs,
            threshold=config.threshold,
            per_class=config.per_class,
            total=config.total,
            balance=config.balance,
            prior=self._shares(len(label_names)),
            seed=config.seed,
        )
        dataset = labeled_examples(examples, probs, selection, label_names)
        write_parquet(dataset, self.output / RETRIEVED)
        labels = {"teacher": score.name, "classes": {"names": label_names, **selection.facts()}}
        self._write_provenance(found.facts, cleaned, len(dataset), labels)
        return dataset

    def _shares(self, classes: int) -> np.ndarray:
        labels = np.asarray(self.labeled.with_format(None)[self.columns[1]][:], np.int64)
        return np.bincount(labels, minlength=classes) / len(labels)

    def _write_provenance(self, facts: dict[str, str], cleaned: Cleaned, rows: int, labels: dict[str, Any]) -> None:
        content = {
            "bank": {"folder": str(self.bank.folder), "fingerprint": self.bank.fingerprint, "rows": len(self.bank)},
            "labeled": {"rows": len(self.labeled), "checksum": content_checksum(self.labeled, self.columns)},
            **facts,
            "config": asdict(self.config),
            "cleaning": cleaned.counts,
            **labels,
            "rows": rows,
        }
        write_atomically(self.output / PROVENANCE, json.dumps(content, indent=1).encode())

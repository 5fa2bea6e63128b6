"""Sentences that a bank answered with, from the search to the examples of a task."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from datasets import ClassLabel, Dataset, Features, List, Value

from ..self_training.selection import Selection


__all__ = ["Candidates", "as_examples", "best_of_each"]


@dataclass(frozen=True)
class Candidates:
    """Different sentences of a bank.

    Args:
        rows: ``[N]`` their numbers.
        similarity: ``[N]`` to the query that is nearest.
        query_labels: ``[N]`` class of that query, -1 for all.
        vectors: ``[N, D]`` embeddings.
        facts: encoder and index, for a record.
    """

    rows: np.ndarray
    similarity: np.ndarray
    query_labels: np.ndarray
    vectors: np.ndarray
    facts: dict[str, str]

    def take(self, kept: np.ndarray) -> Candidates:
        """Some of them, in the order of ``kept``."""
        return Candidates(
            self.rows[kept], self.similarity[kept], self.query_labels[kept], self.vectors[kept], self.facts
        )


def best_of_each(rows: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Different rows, best first, and the place of each where its score is best."""
    order = np.argsort(-scores, kind="stable")
    _, firsts = np.unique(rows[order], return_index=True)
    places = order[np.sort(firsts)]
    return rows[places], places


def as_examples(
    table: pa.Table, found: Candidates, probs: np.ndarray, selection: Selection, label_names: list[str]
) -> Dataset:
    """The selected candidates as a data set, see :func:`textssl.retrieval.retrieve`.

    Args:
        table: text, source and document of N candidates.
        found: the same candidates.
        probs: ``[N, C]`` by the teacher.
        selection: of them.
        label_names: C names.
    """
    kept = selection.rows
    features = Features(
        {
            "text": Value("string"),
            "probs": List(Value("float32")),
            "label": ClassLabel(names=label_names),
            "similarity": Value("float32"),
            "query_label": ClassLabel(names=label_names),
            "source": Value("string"),
            "document": Value("int64"),
        }
    )
    columns = {
        "text": table["text"].take(kept).to_pylist(),
        "probs": list(probs[kept]),
        "label": selection.labels,
        "similarity": found.similarity[kept],
        "query_label": found.query_labels[kept],
        "source": table["source"].take(kept).to_pylist(),
        "document": table["document"].take(kept).to_pylist(),
    }
    return Dataset.from_dict(columns, features=features)

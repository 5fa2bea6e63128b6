"""Sentences that a bank answered with, from the search to the examples of a task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from datasets import Dataset

from ..data.predicted_columns import predicted_columns
from ..data.tables import table_to_dataset, take_rows
from ..self_training.selection import Selection


__all__ = ["Candidates", "as_examples", "best_of_each", "labeled_examples"]


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


def as_examples(table: pa.Table, found: Candidates, label_names: Sequence[str]) -> Dataset:
    """The candidates as a data set, see :func:`textssl.retrieval.retrieve`.

    Args:
        table: text, source and document of N candidates.
        found: the same candidates.
        label_names: of the classes.
    """
    names = pa.array(label_names, pa.string())
    of_all = pa.array(found.query_labels < 0)
    columns = {
        "text": table["text"],
        "similarity": pa.array(found.similarity, pa.float32()),
        "query_label": names.take(pc.if_else(of_all, None, pa.array(found.query_labels))),
        "source": table["source"],
        "document": table["document"],
    }
    return table_to_dataset(pa.table(columns).replace_schema_metadata(None))


def labeled_examples(
    examples: Dataset, probs: np.ndarray, selection: Selection, label_names: Sequence[str]
) -> Dataset:
    """Those that were selected, with what the teacher said of them.

    Args:
        examples: N rows of :func:`as_examples`.
        probs: ``[N, C]`` by the teacher.
        selection: of them.
        label_names: C names.
    """
    columns = predicted_columns(examples.column_names, probs[selection.rows], label_names)
    labeled = take_rows(examples, selection.rows, columns)
    return labeled.select_columns(["text", *columns, *examples.column_names[1:]])

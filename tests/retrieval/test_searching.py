"""Queries of labeled examples, and search as a corpus job."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from tests.retrieval.made_up import unit
from textssl.errors import UserError
from textssl.retrieval import SearchJob, build_index, find_neighbours, label_queries, search


VECTORS = np.array([[3.0, 4.0], [0.0, 2.0], [-1.0, 0.0], [0.0, -7.0]])
LABELS = [0, 0, 1, 1]
NAMES = ["no", "yes"]


def test_a_label_average_is_of_unit_vectors_and_is_one() -> None:
    """By hand: (0.6, 0.8) and (0, 1) sum to (0.6, 1.8), of norm sqrt(3.6); long vectors count no more than others."""
    queries = label_queries(VECTORS, LABELS, NAMES)
    expected = [[0.6 / 3.6**0.5, 1.8 / 3.6**0.5], [-(0.5**0.5), -(0.5**0.5)]]
    np.testing.assert_allclose(queries.vectors, expected, rtol=1e-6)
    assert queries.labels.tolist() == [0, 1]


def test_the_average_of_all_and_each_by_itself() -> None:
    """By hand: the unit vectors sum to (-0.4, 0.8), of norm sqrt(0.8)."""
    queries = label_queries(VECTORS, LABELS, NAMES, "all_average")
    np.testing.assert_allclose(queries.vectors, [[-0.4 / 0.8**0.5, 0.8 / 0.8**0.5]], rtol=1e-6)
    assert queries.labels.tolist() == [-1]
    queries = label_queries(VECTORS, LABELS, NAMES, "per_sentence")
    np.testing.assert_allclose(queries.vectors, [[0.6, 0.8], [0, 1], [-1, 0], [0, -1]], rtol=1e-6)
    assert queries.labels.tolist() == LABELS


@pytest.mark.parametrize(
    ("vectors", "labels", "kind", "message"),
    [
        (VECTORS, LABELS, "median", "queries: got 'median'; allowed: label_average, all_average, per_sentence"),
        (VECTORS, [0, 0, 0, 0], "label_average", "labels: the class 'yes' has no labeled example"),
        (VECTORS, [0, 0, 0, 0], "all_average", "labels: the class 'yes' has no labeled example"),
        (VECTORS, [0, 0, 1, 2], "label_average", "labels: got 0 to 2; expected 0 to 1"),
        (VECTORS, [0, 0, 1, -1], "label_average", "labels: got -1 to 1"),
        (VECTORS, [0, 1], "label_average", r"labels: got shape \[2\] for embeddings \[4, 2\]"),
        (VECTORS[:0], [], "label_average", "labels: got shape"),
        (VECTORS[1::2], [0, 1], "all_average", "cancel out"),
    ],
)
def test_what_cannot_be_a_query(vectors, labels, kind, message) -> None:
    with pytest.raises(UserError, match=message):
        label_queries(vectors, labels, NAMES, kind)


def test_a_search_job_finds_what_a_search_does_and_travels(bank, embeddings, tmp_path: Path) -> None:
    index = build_index(embeddings, tmp_path / "index", kind="ivf", nlist=8, progress=False)
    queries = label_queries(np.stack([unit(f"query {i}") for i in range(6)]), [0, 1] * 3, NAMES, "per_sentence")
    folder = embeddings.folder
    job = SearchJob(bank.folder, folder, tmp_path / "index", 7, name=index.name)
    scores, rows = find_neighbours(job, queries, tmp_path / "found", progress=False)
    expected = search(index, queries.vectors, 7)
    np.testing.assert_array_equal(rows, expected[1])
    np.testing.assert_array_equal(scores, expected[0])
    other = pickle.loads(pickle.dumps(job))
    assert other.name == job.name
    np.testing.assert_array_equal(other({"vector": queries.vectors.tolist()})["row"], rows)
    one = SearchJob(bank.folder, folder, tmp_path / "index", 1, name=index.name, exact=True)
    _, rows = find_neighbours(one, queries, tmp_path / "one", progress=False)
    np.testing.assert_array_equal(rows, search(index, queries.vectors, 1, exact=True)[1])
    assert rows.shape == (6, 1)

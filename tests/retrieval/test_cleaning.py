"""What is removed from candidates, and how it is counted."""

from __future__ import annotations

import numpy as np
import pytest

from textssl.errors import UserError
from textssl.retrieval import clean, evaluation_sentences
from textssl.retrieval.cleaning import contained_in, near_duplicates, near_to


def at_angles(*degrees: float) -> np.ndarray:
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def test_each_reason_is_counted_and_the_best_of_each_kind_kept() -> None:
    texts = [
        "A film that I liked.",  # 0: the same as 3, and better
        "You should see the whole of this long film",  # 1: a part of a longer evaluation text
        "We LAUGHED, and laughed!",  # 2: a sentence of an evaluation text
        "a film, that I liked",  # 3
        "Nearly what the evaluation set says",  # 4: by its vector
        "Another film that was liked",  # 5: near 0 by its vector, and worse
        "Quite another thing",  # 6
    ]
    vectors = at_angles(0, 30, 60, 0, 90, 10, 150)
    scores = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.75, 0.3])
    evaluation = [
        "We laughed and laughed. Then it ended.",
        "They said you should see the whole of this long film twice.",
    ]
    cleaned = clean(
        texts,
        vectors,
        scores,
        evaluation=evaluation,
        evaluation_vectors=at_angles(92),
        near_duplicate=0.95,
        near_evaluation=0.99,
        progress=False,
    )
    assert cleaned.rows.tolist() == [0, 6]
    assert cleaned.counts == {
        "candidates": 7,
        "evaluation_exact": 1,
        "evaluation_contained": 1,
        "evaluation_near": 1,
        "labeled": 0,
        "duplicates": 1,
        "near_duplicates": 1,
        "kept": 2,
    }
    everything = clean(texts, vectors, scores, near_duplicate=None, progress=False)
    assert everything.counts["kept"] == 6
    assert everything.rows.tolist() == [0, 1, 5, 2, 4, 6]


def test_sentences_of_labeled_examples_are_left_out() -> None:
    texts = [
        "I LIKED it a lot!",  # 0: a sentence of a labeled text, whatever its case and marks
        "the cast is what made us go and see it",  # 1: a part of another
        "The cast is what",  # 2: too short to be taken for a part
        "Nobody labeled this one",  # 3
    ]
    labeled = ["It ended. I liked it a lot.", "Well, the cast is what made us go and see it twice"]
    cleaned = clean(texts, at_angles(0, 40, 80, 120), np.arange(4.0), labeled=labeled, progress=False)
    assert cleaned.rows.tolist() == [3, 2]
    assert cleaned.counts["labeled"] == 2


def test_short_sentences_are_compared_whole() -> None:
    """Five words are a part of many texts; six are removed."""
    keys = ["i really loved this film", "i really loved this film too", "loved this film too and so on"]
    texts = ["I really loved this film, too. And so on."]
    assert contained_in(keys, texts, progress=False).tolist() == [False, True, True]
    assert contained_in(["one two three four five sixth"], ["one two three four five sixthly"], False).tolist() == [
        False
    ]
    assert contained_in([], texts, progress=False).tolist() == []


def test_containment_agrees_with_a_naive_search() -> None:
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(["a", "b", "c"], 40)) for _ in range(5)]
    keys = [" ".join(rng.choice(["a", "b", "c"], 6)) for _ in range(200)]
    keys += [" ".join(texts[i % 5].split()[i : i + 9]) for i in range(20)]
    expected = [any(f" {key} " in f" {text} " for text in texts) for key in keys]
    assert 20 <= sum(expected) < 220
    assert contained_in(keys, texts, progress=False).tolist() == expected


def test_near_duplicates_agree_with_a_naive_loop() -> None:
    """Over more than one block, of which later ones meet what earlier ones kept."""
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((1500, 4)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    kept: list[int] = []
    for row, vector in enumerate(vectors):
        if all(float(vectors[other] @ vector) < 0.95 for other in kept):
            kept.append(row)
    near = near_duplicates(vectors, 0.95, progress=False)
    assert np.flatnonzero(~near).tolist() == kept
    assert 100 < len(kept) < 1400


def test_near_to_agrees_with_a_product() -> None:
    rng = np.random.default_rng(1)
    a, b = (rng.standard_normal((n, 3)).astype(np.float32) for n in (1100, 1030))
    np.testing.assert_array_equal(near_to(a, b, 4.0), (a @ b.T).max(1) >= 4.0)
    assert near_to(a, b[:0], 4.0).sum() == 0


def test_the_sentences_of_evaluation_texts_are_they_and_their_parts() -> None:
    found = evaluation_sentences(["One is here. Two is there.", "One is here.", " "])
    assert found == ["One is here. Two is there.", "One is here.", "Two is there."]


def test_settings_out_of_range() -> None:
    one = at_angles(0)
    for name in ("near_duplicate", "near_evaluation"):
        with pytest.raises(UserError, match=rf"{name}: got 1.5; expected a cosine in \(0, 1\], or None"):
            clean(["a"], one, np.ones(1), progress=False, **{name: 1.5})
    with pytest.raises(UserError, match="vectors: got 1 for 2 texts and 1 scores"):
        clean(["a", "b"], one, np.ones(1), progress=False)

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textssl.errors import UserError
from textssl.sources.named import load_source
from textssl.sources.noise import FLIPS, SENTIMENT_RULES, flip_labels, keyword_labels
from textssl.sources.splits import few_labels


LABELS = np.random.default_rng(5).integers(0, 4, 1000)
RULES = {0: ("bad", "waste", "waste of time"), 1: ("good", "well done")}


# Flips


@given(
    labels=st.lists(st.integers(0, 3), max_size=60),
    rate=st.floats(0, 1, exclude_max=True),
    more=st.integers(0, 3),
    seed=st.integers(0, 2**32),
    kind=st.sampled_from(FLIPS),
)
def test_exactly_so_many_rows_get_another_class(
    labels: list[int], rate: float, more: int, seed: int, kind: str
) -> None:
    noisy = flip_labels(labels, rate, 4 + more, seed, kind)
    assert noisy.dtype == np.int64
    assert noisy.shape == (len(labels),)
    assert np.count_nonzero(noisy != np.array(labels, np.int64)) == round(rate * len(labels))
    assert ((noisy >= 0) & (noisy < 4 + more)).all()


def test_no_rate_changes_nothing_and_the_argument_is_never_changed() -> None:
    before = LABELS.copy()
    assert np.array_equal(flip_labels(LABELS, 0, 4, 0), LABELS)
    assert not np.array_equal(flip_labels(LABELS, 0.5, 4, 0), LABELS)
    assert np.array_equal(LABELS, before)


def test_asymmetric_is_the_next_class() -> None:
    noisy = flip_labels(LABELS, 0.3, 4, 7, "asymmetric")
    wrong = noisy != LABELS
    assert wrong.sum() == 300
    assert np.array_equal(noisy[wrong], (LABELS[wrong] + 1) % 4)


def test_symmetric_is_each_other_class_alike() -> None:
    steps = np.concatenate([(flip_labels(LABELS, 0.6, 4, seed) - LABELS) % 4 for seed in range(20)])
    counts = np.bincount(steps, minlength=4)
    assert counts[0] == 20 * 400
    # 12,000 draws among three: 4,000 each, with a standard deviation of 52.
    assert (np.abs(counts[1:] - 4000) < 5 * 52).all()


def test_every_row_is_flipped_about_equally_often() -> None:
    wrong = sum((flip_labels(LABELS[:50], 0.4, 4, seed) != LABELS[:50]).astype(int) for seed in range(1000))
    # 400 of 1,000, with a standard deviation of 15.5.
    assert (np.abs(wrong - 400) < 5 * 15.5).all()


def test_it_is_a_function_of_its_arguments() -> None:
    assert np.array_equal(flip_labels(LABELS, 0.4, 4, 3), flip_labels(LABELS.tolist(), 0.4, 4, 3))
    drawn = {tuple(flip_labels(LABELS, 0.4, 4, seed)) for seed in range(10)}
    assert len(drawn) == 10
    np.random.seed(0)
    before = np.random.get_state()[1].copy()
    flip_labels(LABELS, 0.4, 4, 3)
    assert np.array_equal(before, np.random.get_state()[1])


@pytest.mark.parametrize("kind", FLIPS)
def test_a_larger_rate_keeps_what_a_smaller_one_did(kind: str) -> None:
    less, more = (flip_labels(LABELS, rate, 4, 3, kind) for rate in (0.2, 0.5))
    wrong = less != LABELS
    assert np.array_equal(less[wrong], more[wrong])


@pytest.mark.parametrize("seed", range(3))
def test_which_labels_are_wrong_says_nothing_of_the_split_of_that_seed(seed: int) -> None:
    """A shared generator would have the flipped rows be the labeled ones, or none of them."""
    labels = np.zeros(2000, np.int64)
    labeled = few_labels(labels, seed=seed, total=1000).labeled
    flipped = np.flatnonzero(flip_labels(labels, 0.5, 2, seed))
    # Hypergeometric: 500, with a standard deviation of 11.2.
    assert abs(len(np.intersect1d(labeled, flipped)) - 500) < 5 * 11.2


FLIP_ERRORS: dict[str, tuple[dict[str, Any], str]] = {
    "a rate of 1": ({"rate": 1.0}, r"rate: got 1.0; expected a number in \[0, 1\)"),
    "a rate below 0": ({"rate": -0.1}, r"rate: got -0.1; expected a number in \[0, 1\)"),
    "no number": ({"rate": float("nan")}, r"rate: got nan; expected a number in \[0, 1\)"),
    "one class": ({"labels": [0], "num_labels": 1}, "num_labels: got 1; expected at least 2"),
    "a class too many": ({"labels": [0, 1, 2]}, "labels: got 2 in row 2; expected class numbers 0 to 1"),
    "no label": ({"labels": [0, -1]}, "labels: got -1 in row 1; expected class numbers 0 to 1"),
    "fractions": ({"labels": [0.5]}, r"labels: expected N integers, got shape \[1\] of float64"),
    "a matrix": ({"labels": [[0]]}, r"labels: expected N integers, got shape \[1, 1\]"),
    "an unknown kind": ({"kind": "pairs"}, "kind: got 'pairs'; allowed: symmetric, asymmetric"),
    "a seed below 0": ({"seed": -1}, "seed: got -1; expected 0 or larger"),
}


@pytest.mark.parametrize(("changes", "told"), FLIP_ERRORS.values(), ids=FLIP_ERRORS.keys())
def test_flips_that_cannot_be(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(UserError, match=told):
        flip_labels(**{"labels": [0, 1], "rate": 0.5, "num_labels": 2, "seed": 0, **changes})


# Keywords


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a BAD film", 0),
        ("good, bad, good", 1),
        # Whole words alone.
        ("badly and badness, yet good", 1),
        ("x-bad_y goodbye; bad", 0),
        # Two words, however they are parted.
        ("well\n  Done", 1),
        ("welldone, bad", 0),
        # The longest that fits takes its place, once: one match against two.
        ("a waste of time, good and good", 1),
        ("waste and waste of time, good", 0),
    ],
)
def test_most_matches_win(text: str, expected: int) -> None:
    assert {int(keyword_labels([text], RULES, seed)[0]) for seed in range(20)} == {expected}


def test_a_keyword_is_no_pattern() -> None:
    rules = {0: ("a.b", "10 / 10"), 1: ("acb",)}
    assert keyword_labels(["a.b", "acb", "10 / 10", "10  /\t10"], rules, 0).tolist() == [0, 1, 0, 0]


@pytest.mark.parametrize("text", ["nothing of the kind {}", "good and bad {}"])
def test_ties_are_drawn_evenly_by_text_and_seed(text: str) -> None:
    texts = [text.format(i) for i in range(2000)]
    found = keyword_labels(texts, RULES, 0)
    # 1,000 of 2,000, with a standard deviation of 22.4.
    assert abs(found.sum() - 1000) < 5 * 22.4
    assert np.array_equal(keyword_labels(texts[::-1], RULES, 0)[::-1], found)
    assert abs(np.count_nonzero(keyword_labels(texts, RULES, 1) != found) - 1000) < 5 * 22.4


def test_a_tie_is_among_the_classes_that_have_most() -> None:
    rules = {0: ("a",), 2: ("b",), 5: ("c",)}
    assert set(keyword_labels([f"a c {i}" for i in range(200)], rules, 0)) == {0, 5}
    assert set(keyword_labels([f"{i}" for i in range(200)], rules, 0)) == {0, 2, 5}


@pytest.mark.slow
def test_another_process_draws_the_same() -> None:
    """Python's own hash of a string would differ."""
    program = (
        "from textssl.sources.noise import *; print(*keyword_labels(list(map(str, range(40))), SENTIMENT_RULES, 4))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    here = keyword_labels(list(map(str, range(40))), SENTIMENT_RULES, 4)
    assert list(map(int, done.stdout.split())) == here.tolist()


def test_no_texts_and_odd_texts() -> None:
    assert keyword_labels([], RULES, 0).shape == (0,)
    assert keyword_labels(["", "\ud800 bad"], RULES, 0)[1] == 0


@pytest.mark.parametrize(
    ("texts", "rules", "seed", "told"),
    [
        ([], {}, 0, r"rules: got the classes \[\]; expected two or more"),
        ([], {0: ("a",)}, 0, r"rules: got the classes \[0\]; expected two or more"),
        ([], {-1: ("a",), 0: ("b",)}, 0, r"rules: got the classes \[-1, 0\]; expected two or more, each 0 or larger"),
        ([], {0: ("a",), 1: ()}, 0, r"rules: got \(\) for class 1; expected keywords"),
        ([], {0: ("a",), 1: ("b", " ")}, 0, r"for class 1; expected keywords, none of them empty"),
        ([], {0: ("a",), 1: "bad"}, 0, r"rules: got 'bad' for class 1; expected keywords"),
        (["a", None], RULES, 0, "texts: row 1 is NoneType; expected a string"),
        ([], RULES, -1, "seed: got -1; expected 0 or larger"),
    ],
)
def test_rules_that_cannot_be(texts: Any, rules: Mapping[int, Sequence[str]], seed: int, told: str) -> None:
    with pytest.raises(UserError, match=told):
        keyword_labels(texts, rules, seed)


@pytest.mark.slow
def test_rules_of_sentiment_are_weak_on_real_reviews() -> None:
    """The share that the module tells; the classes are those of the source."""
    imdb = load_source("imdb", "embedded")
    assert imdb.label_names == ("negative", "positive")
    reviews = imdb.train.shuffle(seed=0).select(range(2000))
    wrong = keyword_labels(reviews["text"][:], SENTIMENT_RULES, 0) != np.array(reviews["label"][:])
    assert wrong.mean() == pytest.approx(0.284, abs=0.001)

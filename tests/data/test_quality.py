"""Leaks, contradictions, repeats and blank texts: found, counted and told by their rows."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from datasets import ClassLabel, Dataset, Features, Image, List, Value

from textssl.data.columns import BATCH_ROWS
from textssl.data.quality import DataQuality, label_findings
from textssl.errors import UserError


def make(texts: list[str], labels: list[int] | None = None, **more: list[Any]) -> Dataset:
    return Dataset.from_dict({"text": texts, **({} if labels is None else {"label": labels}), **more})


def found(
    caplog: pytest.LogCaptureFixture,
    labeled: Dataset,
    unlabeled: Dataset | None = None,
    evaluation: Dataset | None = None,
    *,
    columns: tuple[str, ...] = ("text",),
    **settings: Any,
) -> list[str]:
    """What a run of these data warns of."""
    caplog.clear()
    quality = DataQuality(columns, "label", **{"mode": "warn", **settings})
    quality.check_training(("train", labeled), None if unlabeled is None else ("unlabeled", unlabeled))
    if evaluation is not None:
        quality.check_evaluation({"eval": evaluation})
    return [record.getMessage() for record in caplog.records]


def test_good_data_are_not_spoken_of(caplog: pytest.LogCaptureFixture) -> None:
    """Labeled texts among the unlabeled ones are what every paper has."""
    labeled = make(["a", "b", "A"], [0, 1, 1])
    assert found(caplog, labeled, make(["a", "b", "c", "c"]), make(["x", "y", "x"], [0, 1, 0])) == []


def test_held_out_rows_in_training_data_are_counted(caplog: pytest.LogCaptureFixture) -> None:
    labeled, unlabeled = make(["a", "b", "c"], [0, 1, 1]), make(["u", " y", "z", "y"])
    evaluation = make(["x", "y", "b ", "y", "C", "\nb"], [0, 1, 1, 1, 1, 1])
    assert found(caplog, labeled, unlabeled, evaluation) == [
        "eval: 2 of 6 rows are also in train; the first is row 2, as row 1 of train. Scores on eval may be too high.",
        "eval: 2 of 6 rows are also in unlabeled; the first is row 1, as row 1 of unlabeled. Scores on eval may "
        "be too high.",
    ]


def test_contradictions_and_repeats(caplog: pytest.LogCaptureFixture) -> None:
    labeled = make(["a", "b", "a ", "c", "b", "b", "c"], [0, 1, 1, 0, 1, 1, 0])
    names = ["bad", "good"]
    assert found(caplog, labeled, label_names=names) == [
        "train: the same text has different labels in 2 of 7 rows (1 text); the first are row 0 ('bad') and row 2 "
        "('good'). All are kept.",
        "train: 3 of 7 rows are duplicates, the same text with the same label; the first is row 4, as row 1. Each "
        "counts as a label of its own.",
    ]
    evaluation = make(["x", "y", "x", "y", "y"], [0, 0, 1, 0, 1])
    assert found(caplog, make(["a", "b"], [0, 1]), None, evaluation) == [
        "eval: the same text has different labels in 5 of 5 rows (2 texts); the first are row 0 (0) and row 2 (1). "
        "All are kept."
    ]


def test_blank_texts(caplog: pytest.LogCaptureFixture) -> None:
    labeled = make(["a", "b"], [0, 1])
    told = found(caplog, labeled, make(["", "u", " \n"]), make(["x", "\t", ""], [0, 1, 0]))
    # A blank held-out text among blank unlabeled ones is no leak, but blank texts may contradict each other.
    assert told == [
        "unlabeled: 2 of 3 texts are blank; the first is row 0. They are kept.",
        "eval: the same text has different labels in 2 of 3 rows (1 text); the first are row 1 (1) and row 2 (0). All "
        "are kept.",
        "eval: 2 of 3 texts are blank; the first is row 1. They are kept.",
    ]
    for mode in ("warn", "strict"):
        with pytest.raises(UserError, match=r"train: 1 of 3 labeled texts are blank; the first is row 1\. Leave"):
            found(caplog, make(["a", " ", "b"], [0, 0, 1]), mode=mode)
    assert found(caplog, make(["a", " ", "b"], [0, 0, 1]), mode="off") == []


def test_strict_refuses_what_warn_tells(caplog: pytest.LogCaptureFixture) -> None:
    labeled = make(["a", "b"], [0, 1])
    evaluation = make(["a", "b"], [0, 1])
    with pytest.raises(UserError, match=r"eval: 2 of 2 rows are also in train; .* Use data_check='warn' to continue"):
        found(caplog, labeled, None, evaluation, mode="strict")
    # On every process, while one alone warns.
    with pytest.raises(UserError, match="duplicates"):
        found(caplog, make(["a", "a"], [0, 0]), mode="strict", speaks=False)
    assert found(caplog, make(["a", "a"], [0, 0]), speaks=False) == []
    assert found(caplog, make(["a", "a"], [0, 0]), make(["a"]), evaluation, mode="off") == []
    assert found(caplog, labeled, None, make(["x"], [0]), mode="strict") == []


def test_rows_beyond_the_first_piece_and_of_a_selection(caplog: pytest.LogCaptureFixture) -> None:
    many = make([f"u{i}" for i in range(BATCH_ROWS + 10)])
    evaluation = make([f"u{BATCH_ROWS + 3}", "x", "u5"], [0, 1, 1])
    labeled = make(["a", "b"], [0, 1])
    assert f"row 0, as row {BATCH_ROWS + 3} of unlabeled" in found(caplog, labeled, many, evaluation)[0]
    turned = many.select(range(BATCH_ROWS + 9, -1, -1))
    assert (
        "2 of 3 rows are also in unlabeled; the first is row 0, as row 6"
        in found(caplog, labeled, turned, evaluation)[0]
    )


def test_pairs_of_texts_are_equal_if_both_sides_are(caplog: pytest.LogCaptureFixture) -> None:
    columns = ("text", "other")
    labeled = make(["a", "a", "b", "a b"], [0, 1, 1, 0], other=["x", "y", "x", ""])
    evaluation = make(["a", "a ", "a", ""], [0, 0, 1, 0], other=["z", "y", "b", "b"])
    assert found(caplog, labeled, None, evaluation, columns=columns) == [
        "eval: 1 of 4 rows are also in train; the first is row 1, as row 1 of train. Scores on eval may be too high."
    ]
    with pytest.raises(UserError, match="1 of 2 labeled texts are blank; the first is row 1"):
        found(caplog, make(["", " "], [0, 1], other=["x", ""]), columns=columns)
    twice = make(["a", "a", "a"], [0, 0, 1], other=["x", "x", "x"])
    assert (
        "the same pair of texts has different labels in 3 of 3 rows (1 pair of texts)"
        in found(caplog, twice, columns=columns)[0]
    )


def test_images_and_vectors(caplog: pytest.LogCaptureFixture) -> None:
    def images(files: list[bytes | None], labels: list[int]) -> Dataset:
        stored = [{"bytes": file, "path": None if file else f"{i}.png"} for i, file in enumerate(files)]
        features = Features({"image": Image(), "label": Value("int64")})
        return Dataset(
            pa.table({"image": pa.array(stored, Image.pa_type), "label": labels}).cast(features.arrow_schema)
        )

    told = found(
        caplog, images([b"p", b"q", b"p", None], [0, 1, 1, 1]), None, images([b"q", b"r"], [1, 1]), columns=("image",)
    )
    assert [line.split(";")[0] for line in told] == [
        "train: the same image has different labels in 2 of 4 rows (1 image)",
        "eval: 1 of 2 rows are also in train",
    ]

    def vectors(rows: list[list[float]], labels: list[int]) -> Dataset:
        features = Features({"features": List(Value("float32"), length=2), "label": Value("int64")})
        return Dataset.from_dict({"features": rows, "label": labels}, features=features)

    train = vectors([[0, 1], [1, 0], [0, 1], [2, 2]], [0, 1, 0, 1])
    told = found(caplog, train, None, vectors([[2, 2], [1, 1]], [0, 1]).select([1, 0]), columns=("features",))
    assert [line.split(";")[0] for line in told] == [
        "train: 1 of 4 rows are duplicates, the same vector with the same label",
        "eval: 1 of 2 rows are also in train",
    ]


def test_labels_as_they_were_written() -> None:
    labels = ["tech", "Tech ", "sport", " sport", "Sport", "TECH", "news"]
    assert label_findings(make(list("abcdefg"), None, label=labels), "label", "train") == [
        "train: spaces around 2 labels of column 'label' are stripped; the first is 'Tech ' in row 1",
        "train: the classes 'Sport', 'sport' differ by case or spaces only; they are kept as 2 classes",
        "train: the classes 'TECH', 'Tech', 'tech' differ by case or spaces only; they are kept as 3 classes",
    ]
    classes = Features({"text": Value("string"), "label": ClassLabel(names=["a b", "a  b", " c"])})
    dataset = Dataset.from_dict({"text": ["x", "y", "z"], "label": [0, 1, 2]}, features=classes)
    assert label_findings(dataset, "label", "train") == [
        "train: spaces around the names of classes are stripped (' c')",
        "train: the classes 'a b', 'a  b' differ by case or spaces only; they are kept as 2 classes",
    ]
    assert label_findings(make(["a", "b"], [0, 1]), "label", "train") == []


def test_a_million_rows_take_a_second_or_two(caplog: pytest.LogCaptureFixture) -> None:
    rows = 1_000_000
    texts = pa.array(np.arange(rows)).cast(pa.string())
    many = Dataset(pa.table({"text": pa.compute.binary_join_element_wise(texts, "is a text of some words", " ")}))
    evaluation = make([f"{rows - 1} is a text of some words", "x"], [0, 1])
    start = time.perf_counter()
    told = found(caplog, make(["a", "b"], [0, 1]), many, evaluation)
    seconds = time.perf_counter() - start
    assert told == [
        "eval: 1 of 2 rows are also in unlabeled; the first is row 0, as row 999999 of unlabeled. Scores on eval may "
        "be too high."
    ]
    print(f"a million unlabeled rows: {seconds:.2f} s")
    assert seconds < 20

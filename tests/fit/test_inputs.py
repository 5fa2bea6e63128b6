"""A person's data for the choice: mistakes are one line, whatever else is odd is told."""

from __future__ import annotations

from typing import Any

import datasets
import numpy as np
import pytest

from textssl.errors import UserError
from textssl.fit.inputs import Inputs, check_inputs


def table(labels: list[Any], texts: list[Any] | None = None, names: list[str] | None = None) -> datasets.Dataset:
    texts = [f"text {i}" for i in range(len(labels))] if texts is None else texts
    rows = datasets.Dataset.from_dict({"text": texts, "label": labels})
    return rows if names is None else rows.cast_column("label", datasets.ClassLabel(names=names))


def checked(labeled: Any, unlabeled: Any = None, **options: Any) -> Inputs:
    return check_inputs(labeled, unlabeled, "text", "label", "text", **options)


@pytest.mark.parametrize(
    ("labeled", "message"),
    [
        ([{"text": "a"}], "labeled: got list; expected a datasets.Dataset"),
        (table([]), "labeled: got no rows"),
        (table(["a", "a"]), "labeled: all 2 labels are 'a'; expected two classes or more"),
        (table([0, 0], names=["a", "b"]), "labeled: all 2 labels are 'a'; expected two classes or more"),
        (table([0, 1], names=["a", "b", "c"]), "got 2 labels for 3 classes; there is none of 'c'"),
        (table([0.0, float("nan")]), "has no label in 1 of 2 rows; the first is row 1"),
        (table([0, -1, 1]), "labeled: a label of column 'label' is -1, a class or no label; give a class a name"),
        (table(["a", None]), "labeled: column 'label' has no label in 1 of 2 rows"),
        (table(["a", "b"], ["some", None]), "labeled: column 'text' has no text in 1 of 2 rows; the first is row 1"),
        (table(["a", "b"], ["some", " "]), "labeled: 1 of 2 labeled texts are blank; the first is row 1"),
        (table(["a", "b"]).rename_column("label", "topic"), "label"),
        (table(["a", "b"]).rename_column("text", "body"), "text"),
    ],
    ids=range(12),
)
def test_mistakes_in_the_labeled_examples(labeled: Any, message: str) -> None:
    with pytest.raises(UserError, match=message) as raised:
        checked(labeled)
    assert "\n" not in str(raised.value)


def test_mistakes_in_the_unlabeled_examples_and_names() -> None:
    good = table(["a", "b"])
    with pytest.raises(UserError, match="unlabeled: column 'text' has no text in 1 of 2 rows"):
        checked(good, datasets.Dataset.from_dict({"text": ["some", None]}))
    with pytest.raises(UserError, match="unlabeled: got list; expected"):
        checked(good, ["some"])
    for names in ("ab", ["a"], ["a", "a"], ["a", " "], ["a", 1]):
        with pytest.raises(UserError, match="label_names: got"):
            checked(good, label_names=names)
    with pytest.raises(UserError, match="label 'b' in row 1"):
        checked(good, label_names=["a", "c"], described=["c"])


@pytest.mark.parametrize(
    ("labels", "names", "numbers"),
    [
        (["b", "a", "b"], ("a", "b"), [1, 0, 1]),
        ([5, 1, 5], ("1", "5"), [1, 0, 1]),
        ([5.0, 1.0, 5.0], ("1", "5"), [1, 0, 1]),
        ([True, False, True], ("False", "True"), [1, 0, 1]),
    ],
)
def test_labels_of_any_kind_become_class_numbers(labels: Any, names: tuple[str, ...], numbers: list[int]) -> None:
    inputs = checked(table(labels))
    assert inputs.label_names == names
    assert inputs.labels.tolist() == numbers
    assert inputs.labels.dtype == np.int64


def test_names_tell_the_order_and_classes_without_a_label() -> None:
    inputs = checked(table(["a", "b"]), label_names=["c", "b", "a"], described=["c"])
    assert (inputs.label_names, inputs.labels.tolist()) == (("c", "b", "a"), [2, 1])
    # All labels are of one class, and the other one is described.
    assert checked(table(["a", "a"]), label_names=["a", "b"], described=["b"]).labels.tolist() == [0, 0]


def test_blank_unlabeled_texts_are_left_out_and_shared_ones_are_told(caplog: pytest.LogCaptureFixture) -> None:
    rows = datasets.Dataset.from_dict({"text": ["text 1", "", "other", "  "], "label": [7, 7, 7, 7]})
    inputs = checked(table(["a", "b"]), rows)
    assert inputs.unlabeled is not None
    assert inputs.unlabeled.to_dict() == {"text": ["text 1", "other"]}
    assert "2 of 4 texts are blank and are left out" in caplog.text
    assert "it holds 1 of the 2 labeled examples too, which is harmless" in caplog.text
    assert checked(table(["a", "b"]), rows.select([])).unlabeled is None


def test_contradictions_and_names_that_look_alike_are_told(caplog: pytest.LogCaptureFixture) -> None:
    checked(table(["Sport", "sport", "b"], ["same", "same", "other"]))
    assert "the same text has different labels in 2 of 3 rows" in caplog.text
    assert "the classes 'Sport', 'sport' differ by case or spaces only" in caplog.text

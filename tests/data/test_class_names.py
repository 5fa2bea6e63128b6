"""Which class of a model a label means: by its name wherever there is one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from datasets import ClassLabel, Dataset, Features, Value
from transformers import BertConfig

from textssl.data.class_names import (
    check_classifier,
    ids_by_name,
    label_ids,
    label_names,
    name_classes,
    names_in,
    own_names,
    share_names,
)
from textssl.data.validation import check_eval, check_labeled
from textssl.errors import UserError


def make(labels: list[Any], names: list[str] | None = None) -> Dataset:
    features = None
    if names is not None:
        features = Features({"text": Value("string"), "label": ClassLabel(names=names)})
    return Dataset.from_dict({"text": [f"t{i}" for i in range(len(labels))], "label": labels}, features=features)


def config(*names: str, count: int = 3) -> BertConfig:
    if not names:
        return BertConfig(num_labels=count)
    return BertConfig(id2label=dict(enumerate(names)), label2id={name: i for i, name in enumerate(names)})


def ids(dataset: Dataset, *names: str, count: int = 3) -> list[int]:
    known = config(*names, count=count)
    return label_ids(dataset, "label", known.num_labels, ids_by_name(known), "data").tolist()


@pytest.mark.parametrize(
    ("dataset", "names"),
    [
        (make([0, 1, 2], ["bad", "fair", "good"]), ["bad", "fair", "good"]),
        (make([2, 0, 1], ["good", "fair", "bad"]), ["good", "fair", "bad"]),
        (make(["good", "bad", "fair", "bad"]), ["bad", "fair", "good"]),
        (make([" good", "bad\t", "fair", "bad"]), ["bad", "fair", "good"]),
        # One class of the four has no example, and the model has three.
        (make([3, 1, 0], ["bad", "fair", "odd", "good"]), ["bad", "fair", "good"]),
    ],
)
def test_a_model_without_names_gets_those_of_the_data(dataset: Dataset, names: list[str]) -> None:
    """Strings in sorted order, which is the order of ``class_encode_column``."""
    model = config()
    name_classes(model, dataset, "label")
    assert label_names(model) == names
    assert model.label2id == {name: i for i, name in enumerate(names)}
    encoded = dataset if isinstance(dataset.features["label"], ClassLabel) else None
    if encoded is None:
        stripped = make([label.strip() for label in dataset["label"]])
        assert stripped.class_encode_column("label").features["label"].names == names


def test_booleans_are_named_as_class_encode_column_names_them() -> None:
    dataset, model = make([True, False, True]), config(count=2)
    name_classes(model, dataset, "label")
    encoded = dataset.class_encode_column("label")
    assert label_names(model) == encoded.features["label"].names == ["False", "True"]
    assert ids(dataset, "False", "True") == encoded["label"][:] == [1, 0, 1]
    # By name, not by number.
    assert ids(dataset, "True", "False") == [0, 1, 0]


@pytest.mark.parametrize(
    "dataset", [make([0, 1, 2]), make([0.0, 1.0, 2.0]), make(["LABEL_1", "LABEL_0", "LABEL_2"])], ids=str
)
def test_integers_and_default_names_name_nothing(dataset: Dataset) -> None:
    model = config()
    name_classes(model, dataset, "label")
    assert label_names(model) == ["LABEL_0", "LABEL_1", "LABEL_2"]
    assert own_names(model) is None


def test_a_model_keeps_names_of_its_own() -> None:
    model = config("good", "bad", "fair")
    name_classes(model, make([0, 1, 2], ["bad", "fair", "good"]), "label")
    assert label_names(model) == ["good", "bad", "fair"]


def test_names_that_only_one_of_the_two_tables_has() -> None:
    model = config()
    model.label2id = {"x": 1, "y": 0, "z": 2}
    assert own_names(model) == ["y", "x", "z"]
    name_classes(model, make([0, 1, 2]), "label")
    assert label_names(model) == ["y", "x", "z"]
    model = config()
    model.id2label = {0: "y", 1: "x", 2: "z"}
    assert ids_by_name(model) == {"y": 0, "x": 1, "z": 2}


@pytest.mark.parametrize(
    ("dataset", "told"),
    [
        (
            make(["a", "b"]),
            r"train_dataset: column 'label' has 2 classes \('a', 'b'\), and the model 3",
        ),
        (
            make([0, 1, 2, 3], list("abcd")),
            r"has 4 classes \('a', .*\), and the model 3; load it with num_labels=4",
        ),
        (make([0, 1, 2], ["a", "b ", "b"]), "has 2 classes"),
        (make([True, False]), r"has 2 classes \('False', 'True'\), and the model 3; load it with num_labels="),
    ],
)
def test_another_number_of_names_than_classes_is_refused(dataset: Dataset, told: str) -> None:
    with pytest.raises(UserError, match=told):
        name_classes(config(), dataset, "label")


def test_a_name_decides_whatever_the_order() -> None:
    """The same labels by every way that brings names; the model calls its classes bad, fair, good: 2, 0, 1, 2."""
    names, expected = ("bad", "fair", "good"), [2, 0, 1, 2]
    words = ["good", "bad", "fair", "good"]
    for order in (["bad", "fair", "good"], ["good", "bad", "fair"], ["fair ", " good", "bad", "unused"]):
        places = [[name.strip() for name in order].index(word) for word in words]
        assert ids(make(places, order), *names) == expected
    assert ids(make(words), *names) == expected
    assert ids(make([f" {word}\n" for word in words]), *names) == expected
    assert ids(make(expected), *names) == expected


def test_a_split_that_lacks_a_class_and_was_encoded_by_itself() -> None:
    part = make(["good", "fair", "good"]).class_encode_column("label")
    assert part["label"][:] == [1, 0, 1]
    assert ids(part, "bad", "fair", "good") == [2, 1, 2]
    assert check_eval(part, "text", "label", 3, {"bad": 0, "fair": 1, "good": 2})["label"][:] == [2, 1, 2]


def test_numbers_as_names() -> None:
    # A ClassLabel that was only told how many classes there are has no names.
    assert ids(make([2, 0, 1], ["0", "1", "2"]), "bad", "fair", "good") == [2, 0, 1]
    # One that lacks a class has: the classes of a model without names are its numbers.
    part = make([2, 0, 2]).class_encode_column("label")
    assert part.features["label"].names == ["0", "2"]
    assert ids(part) == [2, 0, 2]
    # Stars: integers are names where the model's names are such numbers.
    assert ids(make([5, 1, 3]), "1", "2", "3", "4", "5") == [4, 0, 2]
    assert ids(make(["2", "0", "1"])) == [2, 0, 1]
    # Eleven classes whose model has no names, encoded by themselves: "10" comes before "2".
    for form in ("{}", "LABEL_{}"):
        encoded = make([form.format(i) for i in range(11)]).class_encode_column("label")
        assert encoded["label"][2] == 3
        assert ids(encoded, count=11) == list(range(11))
    # Eleven classes in the order of strings.
    ordered = sorted(map(str, range(11)))
    assert ids(make([10, 2]), *ordered) == [ordered.index("10"), ordered.index("2")] == [2, 3]


UNKNOWN = [
    (make([0, 1], ["bad", "odd"]), r"label 'odd' in row 1 .* not among the model's labels \['bad', 'fair', 'good'\]; "
     r"those of the column are \['bad', 'odd'\]"),
    (make([0, 1], ["worse", "better"]), "label 'worse' in row 0 .* not among"),
    (make(["bad", "Good"]), "label 'Good' in row 1 .* not among .*; did you mean 'good'"),
    (make([True, False]), "label 'True' in row 0 .* not among"),
    (make([0, 3]), "label 3 in row 1 .* outside the model's ids 0 to 2"),
    (make([-1, 0], ["bad", "fair", "good"]), "label -1 in row 0 .* belong in unlabeled_dataset"),
]  # fmt: skip


@pytest.mark.parametrize(("dataset", "told"), UNKNOWN)
def test_a_name_that_the_model_does_not_know_is_refused(dataset: Dataset, told: str) -> None:
    with pytest.raises(UserError, match=f"^data: {told}"):
        ids(dataset, "bad", "fair", "good")


def test_a_model_without_names_takes_as_many_classes_by_number_and_no_others() -> None:
    assert ids(make([2, 0], ["bad", "fair", "good"])) == [2, 0]
    assert ids(make([True, False]), count=2) == [1, 0]
    with pytest.raises(UserError, match=r"label 'good' in row 0 .* those of the column are"):
        ids(make([1, 0], ["fair", "good"]))


def test_another_model_shares_the_names_or_is_refused() -> None:
    first, second = config("a", "b", "c"), config()
    share_names("peer", second, first)
    assert label_names(second) == ["a", "b", "c"]
    share_names("peer", second, first)
    for other, told in ((config("b", "a", "c"), "b, a, c"), (config(count=2), "LABEL_0, LABEL_1")):
        with pytest.raises(UserError, match=f"peer: its labels are {told}; those of the model are a, b, c"):
            share_names("peer", other, first)


def test_a_model_of_one_label_per_example_is_what_is_taken() -> None:
    good = config("a", "b")
    check_classifier(good, "model")
    good.problem_type = "single_label_classification"
    check_classifier(good, "model")
    with pytest.raises(UserError, match="model: got num_labels 1; expected at least 2 classes"):
        check_classifier(config(count=1), "model")


def test_names_are_those_of_the_column() -> None:
    assert names_in(make([0, 1], ["x ", "y"]), "label", "data") == ["x", "y"]
    assert names_in(make(["y", "x"]), "label", "data") == ["x", "y"]
    assert names_in(make([0, 1]), "label", "data") is None


def test_labels_that_are_only_spaces_are_missing() -> None:
    with pytest.raises(UserError, match="no label in 1 of 2 rows; the first is row 1"):
        check_labeled(make(["a", "  "]), "text", "label", 2, {"a": 0, "b": 1})


def test_the_example_of_the_docs_runs() -> None:
    page = (Path(__file__).parents[2] / "docs" / "guides" / "labels.md").read_text()
    (example,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    exec(example, {})

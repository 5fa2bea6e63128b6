from __future__ import annotations

import time

import numpy as np
import pyarrow as pa
import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, Value

from textssl.data.validation import check_eval, check_labeled, check_unlabeled
from textssl.errors import UserError


LABEL2ID = {"negative": 0, "positive": 1}
FRESH = {"LABEL_0": 0, "LABEL_1": 1}
COLUMNS = ("text", "label")


def make(texts, labels, names=None) -> Dataset:
    features = None
    if names is not None:
        features = Features({"text": Value("string"), "label": ClassLabel(names=names)})
    return Dataset.from_dict({"text": texts, "label": labels}, features=features)


def test_integers_pass_unchanged():
    dataset = make(["a", "b"], [1, 0])
    assert check_labeled(dataset, *COLUMNS, 2, FRESH) is dataset
    assert check_eval(dataset, *COLUMNS, 2) is dataset


def test_strings_go_through_label2id():
    checked = check_labeled(make(["a", "b", "c"], ["positive", "negative", "positive"]), *COLUMNS, 2, LABEL2ID)
    assert checked["label"][:] == [1, 0, 1]
    assert checked["text"][:] == ["a", "b", "c"]
    assert checked.column_names == ["text", "label"]


def test_class_names_in_another_order_than_the_models():
    dataset = make(["a", "b", "c"], [0, 1, 1], names=["positive", "negative"])
    assert check_labeled(dataset, *COLUMNS, 2, LABEL2ID)["label"][:] == [1, 0, 0]


def test_class_names_that_a_fresh_model_does_not_know():
    dataset = make(["a", "b"], [0, 1], names=["negative", "positive"])
    assert check_labeled(dataset, *COLUMNS, 2, FRESH) is dataset


def test_a_selection_is_mapped_by_its_own_rows():
    dataset = make(list("abcd"), ["negative", "positive", "negative", "positive"]).select([3, 0])
    checked = check_labeled(dataset, *COLUMNS, 2, LABEL2ID)
    assert checked["label"][:] == [1, 0]
    assert checked["text"][:] == ["d", "a"]


def test_booleans_and_whole_floats_are_integers():
    assert check_labeled(make(["a", "b"], [True, False]), *COLUMNS, 2)["label"][:] == [1, 0]
    assert check_labeled(make(["a", "b"], [1.0, 0.0]), *COLUMNS, 2)["label"][:] == [1, 0]


def test_an_evaluation_set_may_lack_a_class():
    assert check_eval(make(["a"], ["positive"]), *COLUMNS, 2, LABEL2ID)["label"][:] == [1]


BAD_LABELED = [
    (make([], []), "the data set is empty"),
    (make(["a", "b"], [0, 0]), r"no example of class 'positive' \(id 1\); each of the 2 classes"),
    (make(["a", "b"], [0, 2]), r"label 2 in row 1 .* outside the model's ids 0 to 1"),
    (make(["a", "b"], [0, -1]), r"label -1 in row 1 .*belong in unlabeled_dataset"),
    (make(["a", "b"], [0.5, 1.0]), "holds fractions; labels are integers or strings"),
    (make(["a", "b"], [[0], [1]]), "labels are integers or strings"),
    (make(["a", "b"], [0, None]), "no label in 1 of 2 rows; the first is row 1"),
    (make(["a", "b"], ["positive", ""]), "no label in 1 of 2 rows; the first is row 1"),
    (
        make(["a", "b"], ["positive", "neutral"]),
        r"label 'neutral' in row 1 .* not among the model's labels \['negative', 'positive'\]",
    ),
    (
        make(["a", "b", "c"], [0, 1, 2], names=["negative", "positive", "neutral"]),
        r"label 'neutral' in row 2 .* not among the model's labels",
    ),
    (make(["a", None, "c"], [0, 1, 1]), "no text in 1 of 3 rows; the first is row 1"),
    (make([None, None], [0, 1]), "no text in 2 of 2 rows; the first is row 0"),
    (make([3, 4], [0, 1]), "holds int64, not strings; row 0 is 3"),
    (make([["a"], ["b"]], [0, 1]), r"not strings; row 0 is \['a'\]"),
    (
        Dataset.from_dict({"review": ["a"], "label": [0]}),
        r"no column 'text' \(text_column\); its columns are \['review', 'label'\]",
    ),
    (
        Dataset.from_dict({"text": ["a"], "stars": [0]}),
        r"no column 'label' \(label_column\); its columns are \['text', 'stars'\]",
    ),
    (DatasetDict(train=make(["a"], [0])), r"a dict of data sets \['train'\]; pass one"),
    (make(["a"], [0]).to_iterable_dataset(), "IterableDataset has no length"),
    ([{"text": "a", "label": 0}], "expected a datasets.Dataset, got list"),
    (None, "expected a datasets.Dataset, got NoneType"),
]


@pytest.mark.parametrize(("dataset", "message"), BAD_LABELED)
def test_labeled_data_that_cannot_work(dataset, message):
    with pytest.raises(UserError, match=rf"^train_dataset: .*{message}"):
        check_labeled(dataset, *COLUMNS, 2, LABEL2ID)


@pytest.mark.parametrize(("dataset", "message"), [case for case in BAD_LABELED if "no example of" not in case[1]])
def test_evaluation_data_that_cannot_work(dataset, message):
    with pytest.raises(UserError, match=rf"^eval_dataset: .*{message}"):
        check_eval(dataset, *COLUMNS, 2, LABEL2ID)


def test_string_labels_need_label2id():
    with pytest.raises(UserError, match="holds strings, and the model has no label2id"):
        check_labeled(make(["a"], ["x"]), *COLUMNS, 2)


def test_unlabeled_data():
    dataset = Dataset.from_dict({"text": ["a", "", "c"]})
    assert check_unlabeled(dataset, "text") is dataset
    odd_labels = make(["a"], [None])
    assert check_unlabeled(odd_labels, "text") is odd_labels


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        (Dataset.from_dict({"text": []}), "empty"),
        (Dataset.from_dict({"text": ["a", None, "b", None]}), "no text in 2 of 4 .* is row 1"),
        (Dataset.from_dict({"text": ["a", None, "b"]}).select([2, 0, 1]), "the first is row 2"),
        (Dataset.from_dict({"text": [1.5]}), "holds double, not strings; row 0 is 1.5"),
        (Dataset.from_dict({"words": ["a"]}), r"no column 'text' .*\['words'\]"),
        (None, "got NoneType"),
    ],
)
def test_unlabeled_data_that_cannot_work(dataset, message):
    with pytest.raises(UserError, match=rf"^unlabeled_dataset: .*{message}"):
        check_unlabeled(dataset, "text")


def test_the_argument_is_named():
    with pytest.raises(UserError, match=r"^the snippets: "):
        check_unlabeled(None, "text", argument="the snippets")


def test_nulls_far_into_a_large_data_set():
    texts = pa.chunked_array([pa.array(["x"] * 70_000), pa.array(["x"] * 69_000 + [None] * 2 + ["x"])])
    dataset = Dataset(pa.table({"text": texts}))
    with pytest.raises(UserError, match="no text in 2 of 139003 rows; the first is row 139000"):
        check_unlabeled(dataset, "text")


def test_a_million_rows():
    rows = 1_000_000
    names = pa.array(np.arange(rows) % 2).cast(pa.string())
    dataset = Dataset(pa.table({"text": pa.array(["some words"] * rows), "label": names}))
    shuffled = dataset.shuffle(seed=0)
    start = time.perf_counter()
    check_unlabeled(dataset, "text")
    plain = time.perf_counter()
    check_unlabeled(shuffled, "text")
    selected = time.perf_counter()
    checked = check_labeled(dataset, *COLUMNS, 2, {"0": 0, "1": 1})
    labeled = time.perf_counter()
    print(
        f"a million rows: unlabeled {plain - start:.2f} s, shuffled {selected - plain:.2f} s, "
        f"labeled strings {labeled - selected:.2f} s"
    )
    assert checked[999_999]["label"] == 1

"""The estimator with scikit-learn's conventions: scikit-learn's own checks, and what they cannot ask of texts."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, KFold, cross_val_predict, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import estimator_checks_generator
from sklearn.utils.validation import check_is_fitted, validate_data

import textssl.sklearn
from tests.contract import tiny_texts
from textssl.errors import UserError
from textssl.fit.candidates.heads import Probe
from textssl.fit.candidates.self_training import SelfTraining
from textssl.sklearn import SemiSupervisedTextClassifier


class NumbersFitted:
    """What a fit of texts that are numbers gives back: a logistic regression on the numbers."""

    warnings = ()

    def __init__(self, labeled: Any, unlabeled: Any, label_names: list[str], **settings: Any) -> None:
        self.label_names = label_names
        numbers = [label_names.index(label) for label in labeled["label"]]
        self.head = LogisticRegression(C=10.0).fit(self.read(labeled["text"]), numbers)
        self.unlabeled = [] if unlabeled is None else list(unlabeled["text"])
        self.settings = settings

    def predict_proba(self, texts: list[str]) -> np.ndarray:
        probs: np.ndarray = self.head.predict_proba(self.read(texts))
        return probs

    @staticmethod
    def read(texts: Any) -> np.ndarray:
        return np.array([[float(word) for word in text.split()] for text in texts])


class OfNumbers(SemiSupervisedTextClassifier):
    """The estimator for rows of numbers, which it writes as texts: scikit-learn's checks know no others."""

    def fit(self, X: Any, y: Any) -> OfNumbers:
        if y is not None:
            X, y = validate_data(self, X, y, dtype=float)
        super().fit(self.written(X), y)
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        check_is_fitted(self)
        return super().predict_proba(self.written(validate_data(self, X, reset=False, dtype=float)))

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        return float(np.average(self.predict(X) == y, weights=sample_weight))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.one_d_array = tags.input_tags.string = False
        tags.input_tags.two_d_array = True
        return tags

    @staticmethod
    def written(X: Any) -> list[str]:
        return [" ".join(repr(float(number)) for number in row) for row in np.asarray(X)]


UNMET = {"check_classifiers_classes": "it has the classes -1 and 1; here -1 beside numbers is no label"}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@pytest.mark.parametrize(
    "check",
    [
        pytest.param(check, id=str(getattr(check, "func", check).__name__) + str(getattr(check, "keywords", "")))
        for _, check in estimator_checks_generator(OfNumbers())
    ],
)
def test_checks_of_scikit_learn(check: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(textssl.sklearn, "fit_classifier", NumbersFitted)
    name = check.func.__name__
    if name in UNMET:
        with pytest.raises((AssertionError, ValueError)):
            check(OfNumbers())
        return
    check(OfNumbers())


WORDS = (("w0 w1 w2", "w1 w2 w3"), ("w10 w11 w12", "w11 w12 w13"))
TEXTS = [f"{WORDS[i % 2][i // 2 % 2]} w{i % 15}" for i in range(24)]
NUMBERS = np.arange(24) % 2


@pytest.fixture(scope="module")
def estimator(tmp_path_factory: pytest.TempPathFactory) -> SemiSupervisedTextClassifier:
    folder = tmp_path_factory.mktemp("encoder")
    tiny_texts.model().bert.save_pretrained(folder)
    tiny_texts.tokenizer().save_pretrained(folder)
    return SemiSupervisedTextClassifier(
        encoder=str(folder), max_length=16, candidates=[Probe(), SelfTraining()], cache_dir=folder / "cache"
    )


def test_a_real_fit_and_what_it_leaves(estimator: SemiSupervisedTextClassifier, tmp_path: Path) -> None:
    labels = np.where(np.arange(24) < 14, NUMBERS, -1)
    fitted = clone(estimator).fit(TEXTS, labels)
    assert fitted.classes_.tolist() == [0, 1]
    assert (fitted.result_.num_labeled, fitted.result_.num_unlabeled) == (14, 10)
    probs = fitted.predict_proba(TEXTS)
    np.testing.assert_allclose(probs.sum(1), 1)
    told = fitted.predict(pd.Series(TEXTS))
    assert told.tolist() == probs.argmax(1).tolist()
    assert fitted.score(TEXTS, labels) == pytest.approx(np.mean(told[:14] == NUMBERS[:14]))
    weights = np.arange(24)
    expected = np.average(told[:14] == NUMBERS[:14], weights=weights[:14])
    assert fitted.score(TEXTS, labels, weights) == pytest.approx(expected)
    # As of any estimator: a pickle of a person's own.
    file = io.BytesIO()
    joblib.dump(fitted, file)
    file.seek(0)
    np.testing.assert_allclose(joblib.load(file).predict_proba(TEXTS), probs, atol=1e-6)
    assert (fitted.result_.save(tmp_path / "model") / "config.json").is_file()


class Recorded:
    """What the choice is asked for, and an answer of chance."""

    warnings = ()
    seen: Any = None

    def __init__(self, labeled: Any, unlabeled: Any, label_names: list[str], **settings: Any) -> None:
        self.label_names = label_names
        self.settings = settings
        self.labeled = list(zip(labeled["text"], labeled["label"], strict=True))
        self.unlabeled = [] if unlabeled is None else list(unlabeled["text"])
        Recorded.seen = self

    def predict_proba(self, texts: list[str]) -> np.ndarray:
        # The class whose number is the length of the text.
        return np.eye(len(self.label_names))[[len(text) % len(self.label_names) for text in texts]]


LABELS: dict[str, tuple[Any, list[Any], list[str]]] = {
    "integers": ([1, 5, 1, 5, -1], [1, 5], ["1", "5"]),
    "array": (np.array([1, 5, 1, 5, -1], np.int8), [1, 5], ["1", "5"]),
    "floats": ([1.0, 2.0, 1.0, 2.0, np.nan], [1.0, 2.0], ["1.0", "2.0"]),
    "strings": (["b", "a", "b", "a", ""], ["a", "b"], ["a", "b"]),
    "strings and nan": (["b", "a", "b", "a", float("nan")], ["a", "b"], ["a", "b"]),
    "numbers of two types": ([np.int64(3), 1, np.int64(3), 1, -1], [1, 3], ["1", "3"]),
    "minus one as a string": (["-1", "a", "-1", "a", None], ["-1", "a"], ["-1", "a"]),
    "objects": (np.array(["b", "a", "b", "a", None], object), ["a", "b"], ["a", "b"]),
    "booleans": ([True, False, True, False, None], [False, True], ["False", "True"]),
    "integers and None": ([3, 1, 3, 1, None], [1, 3], ["1", "3"]),
    "series": (pd.Series([3, 1, 3, 1, None], dtype="Int64"), [1, 3], ["1", "3"]),
    "category": (pd.Series(["b", "a", "b", "a", None], dtype="category"), ["a", "b"], ["a", "b"]),
    "nan": (pd.Series(["b", "a", "b", "a", np.nan]), ["a", "b"], ["a", "b"]),
}


@pytest.mark.parametrize("kind", LABELS)
def test_classes_keep_their_type(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(textssl.sklearn, "fit_classifier", Recorded)
    labels, classes, names = LABELS[kind]
    texts = ["t", "tt", "ttt", "tttt", "ttttt"]
    fitted = SemiSupervisedTextClassifier().fit(texts, labels)
    assert fitted.classes_.tolist() == classes
    assert [type(label) for label in fitted.classes_.tolist()] == [type(label) for label in classes]
    order = [1, 0, 1, 0] if kind not in ("integers", "array", "floats", "minus one as a string") else [0, 1, 0, 1]
    assert Recorded.seen.labeled == [(text, names[number]) for text, number in zip(texts, order, strict=False)]
    assert Recorded.seen.unlabeled == ["ttttt"]
    assert fitted.predict(["t", "tt"]).tolist() == [classes[1], classes[0]]


def test_parameters_reach_the_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(textssl.sklearn, "fit_classifier", Recorded)
    given = {"level": "best", "encoder": "e", "time_budget": 9.0, "max_length": 7, "template": "{}", "cache_dir": "c"}
    SemiSupervisedTextClassifier(**given, label_descriptions={"a": "b"}, random_state=3, verbose=1).fit(
        ["x", "y"], ["a", "b"]
    )
    settings = Recorded.seen.settings
    assert {name: settings[name] for name in given} == given
    assert (settings["seed"], settings["progress"], settings["label_descriptions"]) == (3, True, {"a": "b"})
    drawn = set()
    for _ in range(3):
        SemiSupervisedTextClassifier(random_state=None).fit(["x", "y"], ["a", "b"])
        drawn.add(Recorded.seen.settings["seed"])
    assert len(drawn) == 3
    for _ in range(2):
        SemiSupervisedTextClassifier(random_state=np.random.RandomState(5)).fit(["x", "y"], ["a", "b"])
        drawn.add(Recorded.seen.settings["seed"])
    assert len(drawn) == 4


@pytest.mark.parametrize(
    ("texts", "labels", "message"),
    [
        (["a", 1], ["x", "y"], "X: row 1 is 1; expected a text"),
        ("ab", ["x", "y"], "X: got a string; expected a list of texts"),
        (["a", "b"], ["x", "x"], "y: got 2 labels of 1 class, 'x'; expected two classes or more"),
        (["a", "b"], [None, -1], "y: got no label; expected labels of two classes or more"),
        (["a", "b"], ["x", 1], "y: got labels of the kind int and str; expected all strings"),
        (["a", "b"], [0.5, 1.0], "y: Unknown label type: continuous"),
        (["a", "b"], None, "y: the classifier requires y to be passed, but the target y is None"),
    ],
)
def test_what_cannot_be_learned_is_refused(texts: Any, labels: Any, message: str) -> None:
    with pytest.raises(UserError) as caught:
        SemiSupervisedTextClassifier().fit(texts, labels)
    assert str(caught.value).startswith(message)


def test_lengths_that_differ_and_a_prediction_before_a_fit() -> None:
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        SemiSupervisedTextClassifier().fit(["a", "b"], ["x"])
    with pytest.raises(NotFittedError):
        SemiSupervisedTextClassifier().predict(["a"])


def test_in_pipelines_grids_and_cross_validation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(textssl.sklearn, "fit_classifier", Recorded)
    texts = ["t" * (1 + number % 4) for number in range(24)]
    # The class of a text is its length, odd or even, as the answer of chance has it.
    truth = np.array([len(text) % 2 for text in texts])
    labels = np.where(np.arange(24) % 3 == 0, -1, truth)
    upper = FunctionTransformer(lambda texts: [text.upper() for text in texts])
    pipe = make_pipeline(upper, SemiSupervisedTextClassifier()).fit(texts, labels)
    assert pipe.score(texts, labels) == 1.0
    assert all(text.isupper() for text, _ in Recorded.seen.labeled)
    assert cross_val_score(pipe, texts, labels, cv=4).tolist() == [1.0] * 4
    # A third of each part has no label, which is learned from and not scored.
    assert len(Recorded.seen.unlabeled) == 6
    assert cross_val_predict(pipe, texts, labels, cv=4).tolist() == truth.tolist()
    named = [["even", "odd", ""][label] for label in labels]
    assert cross_val_score(SemiSupervisedTextClassifier(), texts, named, cv=4).tolist() == [1.0] * 4
    absent = [name or None for name in named]
    assert cross_val_score(SemiSupervisedTextClassifier(), texts, absent, cv=KFold(4)).tolist() == [1.0] * 4
    grid = GridSearchCV(SemiSupervisedTextClassifier(), {"max_length": [8, 16]}, cv=2).fit(texts, labels)
    assert grid.best_score_ == 1.0
    assert grid.best_estimator_.get_params()["max_length"] == 8

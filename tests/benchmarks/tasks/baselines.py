"""Rows that need nothing but scikit-learn, on the same features as all others."""

from __future__ import annotations

import numpy as np
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import normalize
from sklearn.semi_supervised import LabelSpreading, SelfTrainingClassifier

from .data import Problem


__all__ = ["all_labels", "label_spreading", "probe", "self_training", "self_training_with_prior"]

C = 10.0
ROUNDS = 5
SURE = 0.5


def _logistic() -> LogisticRegression:
    return LogisticRegression(C=C, max_iter=1000)


def _fitted(features: np.ndarray, labels: np.ndarray) -> LogisticRegression | DummyClassifier:
    """A logistic regression; where all labels are of one class, what always answers with it."""
    return (_logistic() if len(np.unique(labels)) > 1 else DummyClassifier()).fit(features, labels)


def _spread(probs: np.ndarray, classes: np.ndarray, num_labels: int) -> np.ndarray:
    """Columns for all classes; those without a label get nothing."""
    whole = np.zeros((len(probs), num_labels))
    whole[:, classes] = probs
    return whole


def probe(problem: Problem) -> np.ndarray:
    """Logistic regression on the features of the labeled examples: probabilities [n, C] of the test examples."""
    task = problem.task
    head = _fitted(task.train_features[problem.labeled], problem.labels)
    return _spread(head.predict_proba(task.test_features), head.classes_, problem.num_labels)


def all_labels(problem: Problem) -> np.ndarray:
    """The same with the labels of all training examples: what few labels are measured against."""
    head = _fitted(problem.task.train_features, problem.task.labels)
    return _spread(head.predict_proba(problem.task.test_features), head.classes_, problem.num_labels)


def self_training(problem: Problem) -> np.ndarray:
    """scikit-learn's ``SelfTrainingClassifier``, which never changes a label that it gave."""
    task = problem.task
    targets = np.full(len(task.train_features), -1)
    targets[problem.labeled] = problem.labels
    if len(np.unique(problem.labels)) == 1:
        return probe(problem)
    model = SelfTrainingClassifier(_logistic(), threshold=SURE, max_iter=ROUNDS).fit(task.train_features, targets)
    return _spread(model.predict_proba(task.test_features), model.classes_, problem.num_labels)


def self_training_with_prior(problem: Problem, prior: str) -> np.ndarray:
    """Self-training that labels all sure examples anew in each of five rounds.

    ``prior`` says what the mean of the probabilities is aligned with: ``"none"`` for nothing, ``"labeled"`` for the
    shares of the labels, ``"sqrt"`` for the geometric mean of these and the model's own.
    """
    task = problem.task
    x, y, more = task.train_features[problem.labeled], problem.labels, task.train_features[problem.unlabeled]
    head = _fitted(x, y)
    shares = np.bincount(y, minlength=problem.num_labels)[head.classes_] / len(y)
    for _ in range(ROUNDS):
        probs = head.predict_proba(more)
        if prior != "none":
            ratio = shares / probs.mean(0)
            probs = probs * (ratio if prior == "labeled" else np.sqrt(ratio))
            probs /= probs.sum(1, keepdims=True)
        sure = probs.max(1) > SURE
        labels = head.classes_[probs.argmax(1)][sure]
        head = _fitted(np.concatenate([x, more[sure]]), np.concatenate([y, labels]))
    return _spread(head.predict_proba(task.test_features), head.classes_, problem.num_labels)


def label_spreading(problem: Problem) -> np.ndarray:
    """scikit-learn's ``LabelSpreading`` over the 20 nearest neighbours, alpha 0.9."""
    task = problem.task
    targets = np.full(len(task.train_features), -1)
    targets[problem.labeled] = problem.labels
    model = LabelSpreading(kernel="knn", n_neighbors=20, alpha=0.9, max_iter=100)
    model.fit(normalize(task.train_features), targets)
    # What no label reached has 0 / 0.
    with np.errstate(invalid="ignore"):
        probs = np.nan_to_num(model.predict_proba(normalize(task.test_features)))
    probs[probs.sum(1) == 0] = 1
    return _spread(probs / probs.sum(1, keepdims=True), model.classes_, problem.num_labels)

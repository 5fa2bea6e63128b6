"""The report of a choice: out-of-fold figures by a loop, what to label next, what a person's file adds."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
from scipy.special import log_softmax, softmax

from tests.fit.fit_data import fit_data
from textssl import UserError
from textssl.fit.budget import Budget
from textssl.fit.candidates.heads import Probe
from textssl.fit.candidates.self_training import SelfTraining
from textssl.fit.folds import make_folds
from textssl.fit.report_data import FitReport, fit_report, report_without_labels
from textssl.fit.search import Search
from textssl.fit.store import ResultStore
from textssl.report import RunReport


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Search:
    data = fit_data(labeled=18, unlabeled=60, noise=0.6)
    store = ResultStore(tmp_path_factory.mktemp("search"))
    search = Search(
        data, make_folds(data.labels, 0), [Probe(), SelfTraining()], store, Budget(None), lambda line: None
    )
    search.run()
    return search


def unlabeled_probs() -> np.ndarray:
    drawn: np.ndarray = softmax(np.random.default_rng(0).normal(size=(60, 3)), axis=1)
    return drawn


@pytest.fixture(scope="module")
def found(searched: Search) -> FitReport:
    choice = searched.choice()
    assert choice is not None
    return fit_report(searched, choice, unlabeled_probs(), None, warnings=["take care"], encoder="tiny")


def test_candidates_are_compared_by_log_loss(searched: Search, found: FitReport) -> None:
    report = found.contents
    assert report.candidate_metric == "log-loss"
    first, second = report.candidates
    assert (first.name, first.difference) == ("probe", None)
    assert second.name == "self_training"
    losses = {}
    for name in ("probe", "self_training"):
        scores = searched.scores[name]
        scaled = scores.calibrated()
        rows: list[list[float]] = [[] for _ in scores.labels]
        for division in range(len(scaled)):
            for row, label in enumerate(scores.labels):
                if scores.scored[division, row]:
                    rows[row].append(-log_softmax(scaled[division, row])[label])
        losses[name] = np.array([np.mean(row) for row in rows])
    assert first.mean == pytest.approx(losses["probe"].mean())
    assert second.difference == pytest.approx((losses["self_training"] - losses["probe"]).mean())
    assert second.difference_low is not None
    assert second.difference_low < second.difference < second.difference_high  # type: ignore[operator]
    assert len(first.scores) == len(searched.folds)


def test_each_labeled_example_is_judged_once_out_of_fold(searched: Search, found: FitReport) -> None:
    evaluation, choice = found.contents.evaluation, searched.choice()
    assert evaluation is not None
    assert choice is not None
    assert choice.out_of_fold is not None
    assert evaluation.count == 18
    scaled, labels = choice.out_of_fold.calibrated(), choice.out_of_fold.labels
    confusion = np.zeros((3, 3), int)
    wrong = {}
    for row, label in enumerate(labels):
        probs = np.mean([softmax(logits[row]) for logits in scaled if not np.isnan(logits[row]).any()], axis=0)
        confusion[label, probs.argmax()] += 1
        if probs.argmax() != label:
            wrong[row] = probs.max()
    assert evaluation.confusion == tuple(map(tuple, confusion.tolist()))
    assert [m.row for m in found.contents.mistakes] == sorted(wrong, key=lambda row: -wrong[row])
    texts = searched.data.labeled.rows["text"]
    assert all(m.item.text == texts[m.row] for m in found.contents.mistakes if m.row is not None)


def test_shares_and_warnings(searched: Search, found: FitReport) -> None:
    labels, predictions = found.contents.class_shares
    assert labels.shares[0] == pytest.approx(np.bincount(searched.data.labels) / 18)
    counts = np.bincount(unlabeled_probs().argmax(1), minlength=3)
    assert predictions.shares[0] == pytest.approx(counts / 60)
    assert found.contents.warnings == ("take care",)


def test_files_have_a_persons_columns_and_hidden_labels_are_told(
    searched: Search, found: FitReport, tmp_path: Path
) -> None:
    texts = searched.data.unlabeled.rows["text"][:]
    names = searched.data.label_names
    hidden = [names[i % 3] if i % 4 else None for i in range(60)]
    source = datasets.Dataset.from_dict({"id": [f"r{i}" for i in range(60)], "text": texts, "label": hidden})
    page = found.write(tmp_path, source=source, label_column="label", command="textssl fit a.csv")
    assert page.name == "report.html"
    report = RunReport.read(tmp_path)
    assert report.command == "textssl fit a.csv"
    predicted = [names[number] for number in unlabeled_probs().argmax(1)]
    right = np.mean([p == h for p, h in zip(predicted, hidden, strict=True) if h is not None])
    assert report.findings[-1].startswith(f"{100 * right:.1f} % of 45 unlabeled examples")
    with open(tmp_path / "label_next.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["id", "text", "label", "predicted_label", "confidence"]
    for row in rows:
        number = int(row["id"][1:])
        assert row["text"] == texts[number]
        assert row["predicted_label"] == predicted[number]
    assert [u.item.text for u in report.uncertain] == [row["text"] for row in rows[: len(report.uncertain)]]


def test_what_is_labeled_already_is_not_suggested(searched: Search) -> None:
    choice: Any = searched.choice()
    report = fit_report(searched, choice, np.full((60, 3), 1 / 3), None)
    labeled = {*searched.data.labeled.rows["text"]}
    assert not labeled & {u.item.text for u in report.contents.uncertain}


def test_without_labels_there_are_predictions_alone(tmp_path: Path) -> None:
    rows = datasets.Dataset.from_dict({"text": ["a", "b", "b", "c"]})
    probs = np.array([[0.9, 0.1], [0.6, 0.4], [0.6, 0.4], [0.2, 0.8]])
    found = report_without_labels(rows, "text", probs, ["x", "y"], ["no label was given"])
    assert found.contents.class_shares[0].shares == ((0.75, 0.25),)
    assert [u.item.text for u in found.contents.uncertain] == ["b", "c", "a"]
    found.write(tmp_path)
    assert RunReport.read(tmp_path).evaluation is None


def test_a_loaded_result_says_that_it_has_no_report() -> None:
    from textssl.fit import FitResult

    empty: Any = dict.fromkeys(FitResult.__dataclass_fields__)
    with pytest.raises(UserError, match="report: this result was loaded"):
        FitResult(**empty).report("anywhere")

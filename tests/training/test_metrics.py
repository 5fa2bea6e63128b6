from __future__ import annotations

import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from transformers import EvalPrediction

from textssl.training.metrics import Accuracy, ConfusionMatrix, MacroF1, compute_metrics


# By hand. Class 0: 2 of its 3 found, 1 false alarm: precision 2/3, recall 2/3, F1 2/3.
# Class 1: 1 of 2 found, 2 false alarms: precision 1/3, recall 1/2, F1 = 2 * (1/6) / (5/6) = 2/5.
# Class 2: never predicted, F1 0.
REFERENCES = [0, 0, 0, 1, 1, 2]
PREDICTIONS = [0, 0, 1, 1, 0, 1]
ACCURACY = 3 / 6
MACRO_F1 = (2 / 3 + 2 / 5 + 0) / 3
CONFUSION = [[2, 1, 0], [1, 1, 0], [0, 1, 0]]


def logits_of(classes: list[int], num_labels: int = 3) -> np.ndarray:
    return 5.0 * np.eye(num_labels, dtype=np.float32)[classes] - 2.0


def test_compute_metrics_matches_numbers_by_hand():
    scores = compute_metrics(EvalPrediction(logits_of(PREDICTIONS), np.array(REFERENCES)))
    assert scores == {"accuracy": pytest.approx(ACCURACY), "macro_f1": pytest.approx(MACRO_F1)}
    assert all(type(value) is float for value in scores.values())


def test_compute_metrics_takes_the_first_of_a_tuple_and_classes():
    labels = np.array(REFERENCES)
    hidden_states = (np.zeros((6, 4)), np.zeros((6, 4)))
    expected = pytest.approx({"accuracy": ACCURACY, "macro_f1": MACRO_F1})
    logits = logits_of(PREDICTIONS)
    assert compute_metrics(EvalPrediction((logits, hidden_states), labels)) == expected
    assert compute_metrics(EvalPrediction(logits, (labels,))) == expected
    assert compute_metrics(EvalPrediction(np.array(PREDICTIONS), labels)) == expected


def test_perfect_and_constant_predictors():
    labels = np.array([0, 1, 0, 1])
    perfect = compute_metrics(EvalPrediction(logits_of([0, 1, 0, 1], 2), labels))
    assert perfect == {"accuracy": 1.0, "macro_f1": 1.0}
    # one class for all: its F1 is 2 * 0.5 / 1.5, the other's 0
    constant = compute_metrics(EvalPrediction(logits_of([0, 0, 0, 0], 2), labels))
    assert constant == pytest.approx({"accuracy": 0.5, "macro_f1": (2 / 3) / 2})


def test_a_class_without_predictions_warns_of_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert MacroF1().compute(predictions=[0, 0], references=[0, 1])["macro_f1"] == (2 / 3) / 2


def test_num_labels_counts_classes_that_never_occur():
    metric = MacroF1(num_labels=4)
    score = metric.compute(predictions=[0, 1], references=[0, 1])
    assert score["macro_f1"] == pytest.approx(2 / 4)
    matrix = ConfusionMatrix(num_labels=3).compute(predictions=[0, 1], references=[1, 1])
    assert matrix["confusion_matrix"] == [[0, 0, 0], [1, 1, 0], [0, 0, 0]]


def test_macro_f1_and_confusion_agree_with_naive_counts_on_random_classes():
    rng = np.random.default_rng(0)
    references, predictions = rng.integers(0, 4, 200), rng.integers(0, 4, 200)
    pairs = list(zip(references.tolist(), predictions.tolist(), strict=True))
    counts = [[pairs.count((true, guess)) for guess in range(4)] for true in range(4)]
    scores = []
    for c in range(4):
        predicted, actual = sum(row[c] for row in counts), sum(counts[c])
        scores.append(2 * counts[c][c] / (predicted + actual))
    arrays = {"predictions": predictions, "references": references}
    assert ConfusionMatrix().compute(**arrays)["confusion_matrix"] == counts
    assert MacroF1().compute(**arrays)["macro_f1"] == pytest.approx(sum(scores) / 4)


def test_metrics_alone_in_batches_and_combined():
    import evaluate

    assert Accuracy().compute(predictions=PREDICTIONS, references=REFERENCES) == {"accuracy": pytest.approx(ACCURACY)}
    combined = evaluate.combine([Accuracy(), MacroF1(), ConfusionMatrix()])
    for place in range(0, 6, 2):
        batch = slice(place, place + 2)
        combined.add_batch(predictions=np.array(PREDICTIONS[batch]), references=np.array(REFERENCES[batch]))
    assert combined.compute() == {
        "accuracy": pytest.approx(ACCURACY),
        "macro_f1": pytest.approx(MACRO_F1),
        "confusion_matrix": CONFUSION,
    }
    # nothing stays behind for the next computation, nor does a single class warn
    assert combined.compute(predictions=[1], references=[1])["confusion_matrix"] == [[0, 0], [0, 1]]


def test_they_are_metrics_and_leave_the_global_generator_alone():
    import evaluate

    before = np.random.get_state()
    for metric in (Accuracy(), MacroF1(), ConfusionMatrix()):
        assert isinstance(metric, evaluate.Metric)
        metric.compute(predictions=[0], references=[0])
    after = np.random.get_state()
    assert np.array_equal(before[1], after[1])
    assert before[2:] == after[2:]
    assert [Accuracy().name, Accuracy.__name__] == ["accuracy", "Accuracy"]


def files_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_nothing_is_written_unless_asked_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cache = tmp_path / "cache"
    MacroF1(cache_dir=str(cache)).compute(predictions=[0, 1], references=[0, 1])
    assert list(tmp_path.iterdir()) == []
    spooled = MacroF1(cache_dir=str(cache), keep_in_memory=False)
    spooled.add_batch(predictions=[0, 1], references=[0, 1])
    assert files_in(cache)
    assert spooled.compute() == {"macro_f1": 1.0}
    assert list(tmp_path.iterdir()) == [cache]


@pytest.mark.parametrize(
    ("predictions", "labels", "message"),
    [
        (np.zeros((2, 3, 4)), np.zeros(2, int), r"predictions: got .*; expected \[N, C\] logits"),
        (np.zeros((2, 3)), np.zeros(3, int), "shapes \\(2,\\) and \\(3,\\)"),
        (np.zeros((2, 3)), np.zeros((2, 3), int), "class indices"),
        (np.zeros((0, 3)), np.zeros(0, int), "references: got none"),
        (np.zeros((2, 3)), np.array([0, -100]), "got values from -100 to 0; expected class indices, 0 or more"),
    ],
)
def test_wrong_shapes_and_labels_are_named(predictions, labels, message):
    with pytest.raises(ValueError, match=message):
        compute_metrics(EvalPrediction(predictions, labels))


def test_num_labels_is_checked():
    with pytest.raises(ValueError, match=r"num_labels: got 0; expected at least 1"):
        Accuracy(num_labels=0)
    with pytest.raises(ValueError, match=r"references: got .* 0 to 2; expected class indices, 0 to 1"):
        Accuracy(num_labels=2).compute(predictions=[0, 1], references=[0, 2])


def test_import_is_cheap_and_names_are_listed():
    code = (
        "import sys, textssl.training.metrics as m\n"
        "heavy = {'evaluate', 'sklearn', 'torch', 'transformers', 'datasets'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "assert set(m.__all__) <= set(dir(m))\n"
        "assert not hasattr(m, 'Recall')\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)

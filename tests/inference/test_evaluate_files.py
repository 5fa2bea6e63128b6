"""``textssl evaluate``: all figures against scikit-learn on the answers of the pipeline."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from datasets import ClassLabel, Dataset, Features, Image, Value
from scipy.stats import binomtest
from sklearn.metrics import confusion_matrix, f1_score, log_loss, precision_recall_fscore_support
from transformers import pipeline

from tests.command_line import Ended
from tests.contract import tiny_images
from tests.contract.tiny_texts import texts
from tests.inference.saved_models import NAMES, named, save_images, save_plain
from textssl.inference import load_classifier
from textssl.inference.truth import Truth


CommandLine = Callable[..., Ended]
TEXTS, CLASSES = texts(60, 3)
LABELS = [NAMES[number] for number in CLASSES]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_plain(tmp_path_factory.mktemp("saved") / "model")


@pytest.fixture(scope="module")
def probs(model: Path) -> np.ndarray:
    found = pipeline("text-classification", model=str(model), top_k=None, device="cpu")(TEXTS, truncation=True)
    scores = [{part["label"]: part["score"] for part in row} for row in found]
    rows = np.array([[row[name] for name in NAMES] for row in scores])
    return rows / rows.sum(1, keepdims=True)


def check(found: dict[str, Any], labels: list[str], probs: np.ndarray) -> None:
    """All figures, by scikit-learn."""
    numbers = np.array([NAMES.index(label) for label in labels])
    predicted = probs.argmax(1)
    right = int((numbers == predicted).sum())
    interval = binomtest(right, len(labels)).proportion_ci(0.95, method="wilson")
    assert found["examples"] == len(labels)
    assert found["accuracy"] == pytest.approx(right / len(labels))
    assert found["accuracy_interval"] == pytest.approx([interval.low, interval.high])
    assert found["macro_f1"] == pytest.approx(f1_score(numbers, predicted, average="macro", zero_division=0))
    assert found["log_loss"] == pytest.approx(log_loss(numbers, probs, labels=[0, 1, 2]), abs=1e-5)
    assert found["confusion"] == confusion_matrix(numbers, predicted, labels=[0, 1, 2]).tolist()
    expected = precision_recall_fscore_support(numbers, predicted, labels=[0, 1, 2], zero_division=0)
    own = [[each[name] for each in found["per_class"]] for name in ("precision", "recall", "f1", "support")]
    np.testing.assert_allclose(own, np.array(expected, dtype=float))
    assert [each["label"] for each in found["per_class"]] == list(NAMES)


def test_figures_are_those_of_scikit_learn(
    command_line: CommandLine, model: Path, probs: np.ndarray, tmp_path: Path
) -> None:
    pd.DataFrame({"id": range(60), "text": TEXTS, "label": LABELS}).to_csv(tmp_path / "in.csv", index=False)
    ended = command_line("evaluate", model, tmp_path / "in.csv", "--json")
    assert ended.code == 0, ended.err
    check(ended.json, LABELS, probs)
    confidence, right = probs.max(1), np.array(CLASSES) == probs.argmax(1)
    error = 0.0
    for part in ended.json["reliability"]:
        inside = (confidence >= part["low"]) & (confidence < part["high"])
        assert part["count"] == inside.sum()
        if inside.any():
            assert part["accuracy"] == pytest.approx(right[inside].mean())
            assert part["confidence"] == pytest.approx(confidence[inside].mean(), abs=1e-5)
            error += inside.mean() * abs(right[inside].mean() - confidence[inside].mean())
    assert ended.json["calibration_error"] == pytest.approx(error, abs=1e-5)
    assert "labels are read from 'label'" in ended.err


def test_a_person_reads_all_of_it(command_line: CommandLine, model: Path, probs: np.ndarray, tmp_path: Path) -> None:
    pd.DataFrame({"text": TEXTS, "label": LABELS}).to_csv(tmp_path / "in.csv", index=False)
    out = command_line("evaluate", model, tmp_path / "in.csv").out
    accuracy = 100 * (probs.argmax(1) == np.array(CLASSES)).mean()
    assert f"accuracy              {accuracy:.1f} % (" in out
    for words in ("macro-F1", "log-loss", "calibration error", "precision %", "confusion", *NAMES):
        assert words in out
    counts = confusion_matrix(CLASSES, probs.argmax(1))[0]
    assert f"{NAMES[0]:17}{counts[0]:>5}{counts[1]:>6}{counts[2]:>6}" in out


def test_names_decide_whatever_the_order_of_classes(
    command_line: CommandLine, model: Path, probs: np.ndarray, tmp_path: Path
) -> None:
    names = ["good", "unused", "bad", "fair"]
    features = Features({"text": Value("string"), "label": ClassLabel(names=names)})
    rows = {"text": TEXTS, "label": [names.index(label) for label in LABELS]}
    Dataset.from_dict(rows, features=features).to_parquet(str(tmp_path / "in.parquet"))
    ended = command_line("evaluate", model, tmp_path / "in.parquet", "--json")
    assert "warning: " in ended.err
    assert "the model does not know the class 'unused'" in ended.err
    check(ended.json, LABELS, probs)


def test_rows_without_a_label_or_a_text_are_left_out_and_counted(
    command_line: CommandLine, model: Path, probs: np.ndarray, tmp_path: Path
) -> None:
    rows: list[dict[str, Any]] = [{"text": text, "label": label} for text, label in zip(TEXTS, LABELS, strict=True)]
    rows[3]["label"], rows[4]["label"], rows[5]["text"] = None, " ", ""
    rows[6]["label"] = f" {rows[6]['label']} "
    del rows[7]["label"]
    kept = [row for row in range(60) if row not in (3, 4, 5, 7)]
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    ended = command_line("evaluate", model, tmp_path / "in.jsonl", "--json")
    assert "3 of 60 rows have no label and are left out" in ended.err
    assert "1 labeled rows have nothing to classify and are left out" in ended.err
    assert [ended.json[name] for name in ("rows", "unlabeled", "empty", "absent")] == [60, 3, 1, []]
    check(ended.json, [LABELS[row] for row in kept], probs[kept])


def test_predictions_are_written_beside_the_labels(
    command_line: CommandLine, model: Path, probs: np.ndarray, tmp_path: Path
) -> None:
    pd.DataFrame({"text": TEXTS, "label": LABELS}).to_csv(tmp_path / "in.csv", index=False)
    words = ("evaluate", model, tmp_path / "in.csv", "-o", tmp_path / "out.csv")
    assert command_line(*words).code == 0
    found = pd.read_csv(tmp_path / "out.csv")
    columns = [f"probability_{name}" for name in NAMES]
    assert list(found) == ["text", "label", "predicted_label", "confidence", *columns]
    assert list(found["label"]) == LABELS
    assert list(found["predicted_label"]) == [NAMES[number] for number in probs.argmax(1)]
    np.testing.assert_allclose(found[columns], probs, atol=2e-6)
    assert "exists; choose another file" in command_line(*words).error


def test_classes_without_an_example_are_told(command_line: CommandLine, model: Path, tmp_path: Path) -> None:
    pd.DataFrame({"text": TEXTS[:1], "label": LABELS[:1]}).to_csv(tmp_path / "in.csv", index=False)
    ended = command_line("evaluate", model, tmp_path / "in.csv", "--json")
    assert ended.json["absent"] == ["fair", "good"]
    assert "no example of 'fair', 'good'" in ended.err


def test_images_of_class_folders_are_labeled_by_them(command_line: CommandLine, tmp_path: Path) -> None:
    folder = save_images(tmp_path / "model")
    images, classes = tiny_images.images(9, 4)
    for number, (image, label) in enumerate(zip(images, classes, strict=True)):
        place = tmp_path / "pictures" / NAMES[label]
        place.mkdir(parents=True, exist_ok=True)
        image.save(place / f"{number}.png")
    probs = load_classifier(folder).predict_proba(images)
    ended = command_line("evaluate", folder, tmp_path / "pictures", "--json")
    check(ended.json, [NAMES[label] for label in classes], probs)
    dataset = Dataset.from_dict({"image": images, "topic": [NAMES[label] for label in classes]})
    dataset.cast_column("image", Image()).to_parquet(str(tmp_path / "in.parquet"))
    check(command_line("evaluate", folder, tmp_path / "in.parquet", "--json").json, dataset["topic"][:], probs)


@pytest.mark.parametrize(
    ("rows", "words", "said"),
    [
        ("text,label\nw1,neutral\n", [], "label 'neutral' in row 0 of column 'label' is none of the model's classes"),
        ("text,label\nw1,bad\nw2,Good\n", [], "label 'Good' in row 1 of column 'label'"),
        ("text,label\nw1,bad\nw2,Good\n", [], "did you mean 'good'?"),
        ("text,label\nw1,0\nw2,1\n", [], "label '0' in row 0 of column 'label' is none of the model's classes"),
        ("text,label\nw1,\nw2, \n", [], "has no labeled row to measure on in column 'label'"),
        ("text,label\n,bad\n", [], "has no labeled row to measure on"),
        ("text,a,b\nw1,bad,x\n", [], "label_column: it cannot be told which column of"),
        ("text,label\nw1,bad\n", ["--label-column", "lable"], "label_column: got 'lable'; the columns of"),
        ("text,label\nw1,bad\n", ["-o", "-"], "output: got '-'; the scores are printed there"),
        ("text,label\nw1,bad\n", ["-o", "out.doc"], "output: 'out.doc' ends in '.doc'"),
        ("text,label\nw1,bad\n", ["--text-column", "a", "--image-column", "b"], "image_column: got 'b' beside"),
    ],
)
def test_a_mistake_is_one_line(
    command_line: CommandLine, model: Path, rows: str, words: list[str], said: str, tmp_path: Path
) -> None:
    (tmp_path / "in.csv").write_text(rows)
    assert said in command_line("evaluate", model, tmp_path / "in.csv", *words).error


def test_numbers_are_refused_where_classes_have_names(command_line: CommandLine, model: Path, tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text('{"text": "w1", "label": 0}\n')
    refused = command_line("evaluate", model, tmp_path / "in.jsonl").error
    assert "column 'label' holds numbers, such as 0 in row 0, and the model's classes have names: 'bad'" in refused
    assert "file: got '-'" in command_line("evaluate", model, "-").error


@pytest.mark.parametrize(
    ("names", "labels", "expected"),
    [
        (["1", "2", "10"], [10, "2", 1.0, "1"], [2, 1, 0, 0]),
        (["LABEL_0", "LABEL_1"], [1, "0", "LABEL_1", 0.0], [1, 0, 1, 0]),
        (["False", "True"], [True, "False", False], [1, 0, 0]),
        (["false", "true"], [True, False], [1, 0]),
        (["a ", "b"], ["a", " b", None, float("nan"), "", "nan"], [0, 1, None, None, None, None]),
    ],
)
def test_labels_are_matched_by_what_they_are_called(names: list[str], labels: list[Any], expected: list[Any]) -> None:
    truth = Truth("label", names)
    assert [truth.number(label, row) for row, label in enumerate(labels)] == expected


def test_the_same_names_in_another_model_are_other_classes(command_line: CommandLine, tmp_path: Path) -> None:
    from tests.contract.tiny_texts import model as network

    folder = save_plain(tmp_path / "model")
    named(network(), NAMES[::-1]).save_pretrained(folder)
    pd.DataFrame({"text": TEXTS, "label": LABELS}).to_csv(tmp_path / "in.csv", index=False)
    found = command_line("evaluate", folder, tmp_path / "in.csv", "--json").json
    assert found["label_names"] == list(NAMES[::-1])
    predicted = load_classifier(folder).predict(TEXTS)
    assert found["accuracy"] == pytest.approx(np.mean([a == b for a, b in zip(predicted, LABELS, strict=True)]))

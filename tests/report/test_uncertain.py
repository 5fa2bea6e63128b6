"""Which unlabeled examples come first, and the table of them."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from textssl.report.uncertain import most_uncertain, write_label_next


def rows(margins: list[float], classes: list[int]) -> np.ndarray:
    found = np.full((len(margins), 3), 0.0)
    for row, (margin, predicted) in enumerate(zip(margins, classes, strict=True)):
        found[row, predicted], found[row, (predicted + 1) % 3] = (1 + margin) / 2, (1 - margin) / 2
    return found


def test_small_margins_come_first_and_copies_once() -> None:
    probs = rows([0.5, 0.1, 0.3, 0.1, 0.9], [0, 0, 0, 0, 0])
    assert most_uncertain(probs, 3).tolist() == [1, 3, 2]
    assert most_uncertain(probs, 3, ["a", "b", "c", "b", "d"]).tolist() == [1, 2, 0]
    assert most_uncertain(probs, 9).tolist() == [1, 3, 2, 0, 4]


def test_predicted_classes_take_turns() -> None:
    probs = rows([0.01, 0.02, 0.03, 0.04, 0.2, 0.3], [0, 0, 0, 0, 1, 2])
    assert most_uncertain(probs, 3).tolist() == [0, 4, 5]
    # A class whose examples are all sure has none among them.
    sure = rows([0.01] * 20 + [0.99], [0] * 20 + [1])
    assert 20 not in most_uncertain(sure, 3)


def test_the_table_has_a_persons_columns_and_the_suggestion(tmp_path: Path) -> None:
    text = 'a "quoted", text\nof two lines'
    path = write_label_next(tmp_path, {"id": [7], "text": [text]}, ["good"], np.array([0.5]))
    with open(path, newline="", encoding="utf-8") as file:
        assert list(csv.DictReader(file)) == [{"id": "7", "text": text, "label": "good", "confidence": "0.500000"}]
    taken = write_label_next(tmp_path, {"label": [None]}, ["good"], np.array([0.5]))
    assert taken.read_text().splitlines()[0] == "label,predicted_label,confidence"

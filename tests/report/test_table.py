from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from textssl import files as files_module
from textssl.report import Row, comparison_table, markdown_table, save_results, write_atomically


ROWS = [
    Row("supervised", 20, 0, 0.70, 0.6912, 61.4),
    Row("uda", 20, 0, 0.7525, 0.75, 184.6),
    Row("fixmatch", 20, 0, 0.68, None, None),
    Row("uda", 100, 0, 0.80),
]


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_table_holds_numbers_worked_out_by_hand():
    lines = comparison_table(ROWS).splitlines()
    assert len(lines) == 4 + len(ROWS)
    assert len({len(line) for line in lines}) == 1
    header = ["method", "labels", "seed", "accuracy %", "macro-F1 %", "gain", "seconds"]
    assert cells(lines[1]) == header
    assert cells(lines[3]) == ["supervised", "20", "0", "70.00", "69.12", "-", "61"]
    assert cells(lines[4]) == ["uda", "20", "0", "75.25", "75.00", "+5.25", "185"]
    assert cells(lines[5]) == ["fixmatch", "20", "0", "68.00", "-", "-2.00", "-"]
    # no baseline with 100 labels: no gain is made up from the one with 20
    assert cells(lines[6]) == ["uda", "100", "0", "80.00", "-", "-", "-"]


def test_columns_are_aligned():
    lines = comparison_table(ROWS).splitlines()
    bars = [place for place, character in enumerate(lines[0]) if character == "+"]
    for line in (lines[1], *lines[3:-1]):
        assert [place for place, character in enumerate(line) if character == "|"] == bars


def test_the_gain_compares_the_same_seed():
    rows = [
        Row("supervised", 20, 0, 0.5),
        Row("supervised", 20, 1, 0.6),
        Row("uda", 20, 0, 0.65),
        Row("uda", 20, 1, 0.65),
    ]
    gains = [cells(line)[5] for line in comparison_table(rows).splitlines()[3:-1]]
    assert gains == ["-", "-", "+15.00", "+5.00"]


def test_markdown_has_the_same_cells():
    plain = [cells(line) for line in comparison_table(ROWS).splitlines() if line[0] == "|"]
    markdown = markdown_table(ROWS).splitlines()
    assert markdown[1] == "| :-- | --: | --: | --: | --: | --: | --: |"
    assert [cells(line) for line in (markdown[0], *markdown[2:])] == plain
    assert "a\\|b" in markdown_table([Row("a|b", 1, 0)])


def test_wrong_rows_are_named():
    with pytest.raises(ValueError, match="rows: got none"):
        comparison_table([])
    with pytest.raises(ValueError, match=r"accuracy of 'uda': got 75; expected a number in \[0, 1\]"):
        comparison_table([Row("uda", 20, 0, 75)])
    with pytest.raises(ValueError, match="macro_f1 of 'uda'"):
        markdown_table([Row("uda", 20, 0, 0.5, float("nan"))])


def test_results_are_strict_json(tmp_path):
    results = {
        "method": "uda",
        "accuracy": np.float32(0.5),
        "loss": float("nan"),
        "limit": np.float64("-inf"),
        "matrix": np.array([[1, 2], [3, 4]]),
        "folder": Path("out") / "run",
        "nested": {"seeds": (0, np.int64(1)), "done": np.bool_(True), "note": None, "é": "ü"},
    }
    path = save_results(tmp_path / "out" / "results.json", results)
    text = path.read_text(encoding="utf-8")
    assert json.loads(text, parse_constant=pytest.fail) == {
        "method": "uda",
        "accuracy": 0.5,
        "loss": None,
        "limit": None,
        "matrix": [[1, 2], [3, 4]],
        "folder": str(Path("out") / "run"),
        "nested": {"seeds": [0, 1], "done": True, "note": None, "é": "ü"},
    }
    assert list(json.loads(text)) == list(results)
    assert [file.name for file in path.parent.iterdir()] == ["results.json"]


def test_what_json_cannot_hold_is_named_and_the_old_file_stays(tmp_path):
    path = save_results(tmp_path / "results.json", {"a": 1})
    with pytest.raises(TypeError, match=r"results\['runs'\]\[1\]\['x'\] is a set"):
        save_results(path, {"runs": [{}, {"x": {1}}]})
    with pytest.raises(TypeError, match="results has the key 3"):
        save_results(path, {3: 1})
    assert json.loads(path.read_text()) == {"a": 1}


def test_a_failed_write_leaves_the_old_file_and_no_litter(tmp_path, monkeypatch):
    path = write_atomically(tmp_path / "file", b"old")

    def fail(*args: object) -> None:
        raise OSError("no space left on device")

    for function in ("fsync", "replace"):
        with monkeypatch.context() as patch:
            patch.setattr(files_module.os, function, fail)
            with pytest.raises(OSError, match="no space left"):
                write_atomically(path, b"new")
        assert path.read_bytes() == b"old"
        assert list(tmp_path.iterdir()) == [path]
    assert write_atomically(path, b"new").read_bytes() == b"new"

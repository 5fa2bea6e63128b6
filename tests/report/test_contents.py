"""The report as data: written and read without loss, and strictly."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.report.run_reports import image_report, text_report
from textssl.errors import UserError
from textssl.report import Candidate, ClassShares, Curve, Item, Mistake, RunReport


@pytest.mark.parametrize("make", [text_report, image_report])
def test_what_is_written_is_read_again(tmp_path: Path, make: type[RunReport]) -> None:
    report = make()
    path = report.write(tmp_path)
    again = RunReport.read(tmp_path)
    assert path == tmp_path / "report.json"
    # NaN became None: what was read is written as it was.
    assert again == RunReport.read(again.write(tmp_path / "again").parent)
    assert replace(again, curves=(), class_shares=report.class_shares) == replace(report, curves=())
    assert [curve.steps for curve in again.curves] == [curve.steps for curve in report.curves]


def test_figures_that_json_does_not_have(tmp_path: Path) -> None:
    bad = Candidate("a", (float("nan"), np.float32(0.5), 1), mean=np.float64("inf"), low=float("-inf"))  # type: ignore[arg-type]
    curve = Curve("loss", "loss", "a", (1, 2), (float("nan"), np.float64(2.0)))
    RunReport(kind="fit", title="t", candidates=(bad,), curves=(curve,)).write(tmp_path)
    again = RunReport.read(tmp_path)
    assert again.candidates == (Candidate("a", (None, 0.5, 1.0), None, None),)
    assert again.curves[0].values == (None, 2.0)


def test_texts_of_any_characters_are_kept(tmp_path: Path) -> None:
    text = 'a\x00b "><script> \u202e {{ x }} \U0001f600 \u00e4'
    RunReport(kind="fit", title=text, mistakes=(Mistake(Item("\ud800half"), "x", "y", None),)).write(tmp_path)
    again = RunReport.read(tmp_path)
    assert again.title == text
    assert again.mistakes[0].item.text == "?half"


BROKEN = [
    ({"version": 2}, "is of version 2; this textssl reads 1"),
    ({"version": None}, "is of version None"),
    ({"kind": "fits"}, "report.json.kind: got 'fits'; expected one of 'fit'"),
    ({"titel": "x"}, "unknown name 'titel'"),
    ({"title": 3}, "report.json.title: got 3; expected a string"),
    ({"candidates": {}}, "report.json.candidates: got {}; expected a list"),
    ({"candidates": [{"name": "a", "mean": "high"}]}, r"candidates\[0\].mean: got 'high'; expected a number"),
    ({"candidates": [{"mean": 1.0}]}, r"candidates\[0\]: 'name' is missing"),
    ({"candidates": [{"name": "a", "chosen": 1}]}, "got 1; expected true or false"),
    ({"candidates": [{"name": "a", "mean": True}]}, "got True; expected a number"),
    ({"facts": ["ab"]}, r"facts\[0\]: got 'ab'; expected a list"),
    ({"facts": [["a"]]}, r"facts\[0\]: got 1 values; expected 2"),
    ({"evaluation": []}, "expected an object"),
]


@pytest.mark.parametrize(("change", "message"), BROKEN)
def test_what_is_not_a_report_is_refused_in_one_line(tmp_path: Path, change: dict[str, object], message: str) -> None:
    path = RunReport(kind="fit", title="t").write(tmp_path)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(UserError, match=message) as raised:
        RunReport.read(tmp_path)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("text", ["", "[]", "3", '{"kind": "fit"', "\x00"])
def test_a_file_of_something_else(tmp_path: Path, text: str) -> None:
    (tmp_path / "report.json").write_text(text)
    with pytest.raises(UserError, match=r"report: .*report\.json"):
        RunReport.read(tmp_path)
    with pytest.raises(UserError, match="cannot be read"):
        RunReport.read(tmp_path / "nothing")


def test_figures_of_other_classes_are_refused() -> None:
    with pytest.raises(UserError, match="got figures of 3 classes; expected 2"):
        RunReport(kind="fit", title="t", classes=("a", "b"), class_shares=(ClassShares("labels", ((0.2, 0.3, 0.5),)),))
    with pytest.raises(UserError, match="got 1 values for 2 steps"):
        Curve("a", "loss", "uda", (1, 2), (0.5,))
    with pytest.raises(UserError, match="got 2 rows for 0 steps"):
        ClassShares("labels", ((1.0,), (1.0,)))

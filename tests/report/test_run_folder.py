"""Reports of runs that left results but no report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from textssl.errors import UserError
from textssl.report.classification_scores import wilson_interval
from textssl.report.html import render_page
from textssl.report.run_folder import read_run


def result(accuracy: float | None, count: int, prefix: str = "test") -> dict[str, Any]:
    """As stages of the recipes wrote them."""
    history: list[dict[str, Any]] = [
        {"step": step, "ssl/supervised": 1 / step, "ssl/mask_rate": 0.1 * step} for step in (1, 2, 3)
    ]
    history.append({"step": 3, f"{prefix}_runtime": 12.1735, f"{prefix}_samples_per_second": count / 12.1735})
    key = "accuracy" if prefix == "test" else "validation_accuracy"
    return {"accuracy": None, "seconds": 4.0, "processes": 1, "history": history, key: accuracy}


def write(folder: Path, results: dict[str, Any] | None, method: str = "uda") -> Path:
    folder.mkdir(exist_ok=True)
    settings = {"method": method, "data": "own files", "seed": 3, "unlabeled_file": None}
    (folder / "run.json").write_text(json.dumps({"settings": settings}))
    if results is not None:
        (folder / "results.json").write_text(json.dumps(results))
    return folder


def test_results_become_candidates_with_intervals_and_curves(tmp_path: Path) -> None:
    report, folder = read_run(write(tmp_path, {"uda": result(0.6, 1000), "supervised": result(0.65, 1000)}))
    assert folder == tmp_path
    assert report.title == "uda on own files"
    assert [candidate.name for candidate in report.candidates] == ["supervised", "uda"]
    uda = report.candidates[1]
    assert uda.chosen
    assert (uda.low, uda.high) == wilson_interval(600, 1000)
    assert report.candidate_measured_on == "about 1,000 held-out examples"
    assert report.findings == (
        "uda lost to supervised: accuracy 60.0 against 65.0 %; whether that is chance was not tested",
    )
    assert {(curve.run, curve.group) for curve in report.curves} == {
        (run, group) for run in ("uda", "supervised") for group in ("loss", "mask rate")
    }
    assert "uda lost to supervised" in render_page(report)


def test_a_run_that_is_not_finished_shows_its_finished_stages(tmp_path: Path) -> None:
    (write(tmp_path, None) / "supervised").mkdir()
    (tmp_path / "supervised" / "result.json").write_text(json.dumps(result(0.7, 60, "validation")))
    report, _ = read_run(tmp_path)
    assert [candidate.mean for candidate in report.candidates] == [0.7]
    assert report.candidate_measured_on == "about 60 validation examples"
    assert report.findings == ()
    assert "uda was not finished" in report.warnings[0]


def test_without_a_measurement_there_are_curves_alone(tmp_path: Path) -> None:
    report, _ = read_run(write(tmp_path, {"uda": result(None, 0)}))
    assert report.candidates[0].mean is None
    assert report.curves


@pytest.mark.parametrize(
    "results", [{}, {"uda": 3}, {"uda": {"history": 3}}, {"uda": {"history": [{"loss": 1}]}}, [], "x"]
)
def test_results_of_something_else_are_no_run(tmp_path: Path, results: Any) -> None:
    with pytest.raises(UserError, match=r"holds no report\.json"):
        read_run(write(tmp_path, results))


def test_damaged_files_are_one_line(tmp_path: Path) -> None:
    (write(tmp_path, None) / "results.json").write_text('{"uda": ')
    with pytest.raises(UserError, match=r"results\.json' cannot be read") as raised:
        read_run(tmp_path)
    assert "\n" not in str(raised.value)

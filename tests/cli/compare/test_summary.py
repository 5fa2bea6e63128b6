"""Lines of the table from what cells measured: two seeds, some failed, several numbers of labels."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from textssl.cli.compare.grid import Cell, Grid
from textssl.cli.compare.plot import comparison_figure
from textssl.cli.compare.summary import findings, summarize
from textssl.cli.compare.tables import as_csv, as_markdown, columns_of, notes_on, rows_of


GRID = Grid({"source": "imdb"}, ("uda", "vat"), (0, 1))
ACCURACIES = {"supervised": (0.7, 0.8), "uda": (0.75, 0.83), "vat": (0.68, 0.8)}


def result(accuracy: float, log_loss: float = 0.5) -> dict[str, Any]:
    return {"accuracy": accuracy, "macro_f1": accuracy - 0.01, "log_loss": log_loss, "seconds": 10.0, "part": "test",
            "examples": 100}  # fmt: skip


def all_of(accuracies: dict[str, tuple[float, ...]], labels: int | None = None) -> dict[Cell, dict[str, Any]]:
    return {
        Cell(method, labels, seed): result(value)
        for method, values in accuracies.items()
        for seed, value in enumerate(values)
    }


def unknown(cell: Cell) -> np.ndarray | None:
    return None


def test_differences_are_paired_by_seed() -> None:
    supervised, uda, vat = summarize(GRID, all_of(ACCURACIES), {}, unknown)
    assert supervised.difference is None
    assert uda.difference is not None
    paired = stats.ttest_rel(ACCURACIES["uda"], ACCURACIES["supervised"]).confidence_interval(0.95)
    assert uda.difference.mean == pytest.approx(0.04)
    assert (uda.difference.low, uda.difference.high) == pytest.approx((paired.low, paired.high))
    assert dict(vat.differences) == pytest.approx({0: -0.02, 1: 0.0})
    row = dict(zip(columns_of(GRID), rows_of(GRID, [uda])[0], strict=True))
    assert row["seed 0"] == "75.00"
    assert row["accuracy %"] == "79.00"
    assert row["difference"] == "+4.00"
    assert row["95% interval"] == f"{100 * paired.low:+.2f} to {100 * paired.high:+.2f}"


def test_a_failed_seed_is_left_out_of_the_pairs_and_told() -> None:
    results = all_of(ACCURACIES)
    del results[Cell("supervised", None, 1)]
    failures = {Cell("supervised", None, 1): "the process was ended by SIGKILL"}
    right = np.arange(100) < 70
    lines = summarize(GRID, results, failures, lambda cell: right)
    assert [*lines[1].differences] == [0]
    assert lines[1].difference is not None
    assert (lines[1].difference.over, lines[1].difference.count) == ("examples", 100)
    notes = notes_on(GRID, lines, "accuracy on 100 held-out examples")
    assert "failed: supervised, seed 1: the process was ended by SIGKILL" in notes
    table = list(csv.DictReader(io.StringIO(as_csv(GRID, lines, Path("out")))))
    assert [row["status"] for row in table] == ["done", "failed", "done", "done", "done", "done"]
    assert table[2]["folder"] == "uda/seed_0"


def test_a_method_that_loses_is_named_and_one_that_is_too_sure() -> None:
    results = all_of(ACCURACIES) | {Cell("uda", None, seed): result(0.8, log_loss=0.9) for seed in (0, 1)}
    told = findings(summarize(GRID, results, {}, unknown))
    assert len(told) == 2
    assert "log-loss 0.900" in told[0]
    assert told[1] == "vat lost to supervised: -1.0 points (2 seeds)"


def test_numbers_of_labels_have_baselines_of_their_own() -> None:
    grid = Grid({}, ("uda",), (0, 1), labels=(20, 100), by_labels=True)
    results = all_of({"supervised": (0.5, 0.6), "uda": (0.6, 0.7)}, 20)
    results |= all_of({"supervised": (0.8, 0.9), "uda": (0.8, 0.9)}, 100)
    lines = summarize(grid, results, {}, unknown)
    assert [(line.method, line.labels) for line in lines] == [
        ("supervised", 20), ("uda", 20), ("supervised", 100), ("uda", 100),
    ]  # fmt: skip
    assert [line.difference.mean for line in lines if line.difference] == pytest.approx([0.1, 0.0])
    assert [row[1] for row in rows_of(grid, lines)] == ["20", "20", "100", "100"]
    figure = comparison_figure(lines, "accuracy")
    assert figure is not None
    lined = {line.get_label(): line.get_ydata() for line in figure.axes[0].lines if line.get_label()[0] != "_"}
    assert {name: np.round(values, 6).tolist() for name, values in lined.items()} == {
        "supervised": [55.0, 85.0],
        "uda": [65.0, 85.0],
    }


def test_the_plot_has_a_dot_for_each_seed() -> None:
    figure = comparison_figure(summarize(GRID, all_of(ACCURACIES), {}, unknown), "accuracy on 100 examples")
    assert figure is not None
    dots = [line.get_ydata() for line in figure.axes[0].lines if line.get_marker() == "o"]
    assert np.concatenate(dots) == pytest.approx([70, 80, 75, 83, 68, 80])


def test_nothing_measured_is_no_plot_and_dashes() -> None:
    results = {Cell("uda", None, 0): {"accuracy": None, "seconds": None, "part": None}}
    lines = summarize(GRID, results, {}, unknown)
    assert comparison_figure(lines, "no accuracy was measured") is None
    assert rows_of(GRID, lines)[1][1:] == ["-"] * 8


def test_many_seeds_share_a_column_and_a_bar_in_a_note_is_no_column() -> None:
    grid = Grid({}, ("uda",), tuple(range(7)))
    lines = summarize(grid, all_of({"supervised": (0.5,) * 7, "uda": (0.6,) * 7}), {}, unknown)
    assert columns_of(grid)[1] == "all seeds"
    assert rows_of(grid, lines)[1][1] == " ".join(["60.00"] * 7)
    assert "a \\| b" in as_markdown(grid, lines, ["a | b"], "textssl compare")

from __future__ import annotations

import io
import subprocess
import sys

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from textssl.report import (
    accuracy_figure,
    confidence_figure,
    loss_figure,
    mask_rate_figure,
    plot_confidence,
    plot_run,
    tsa_figure,
)


NAN = float("nan")

HISTORY = [
    {
        "step": 10 * step,
        "loss": 1.0,
        "ssl/supervised": 1 / step,
        "ssl/unsupervised": 0.01 * step,
        "ssl/mask_rate": step / 10,
        "ssl/pseudo_label_confidence": 0.5 + step / 20,
        "ssl/tsa_threshold": 0.5 + step / 16,
    }
    for step in range(1, 9)
]
HISTORY[3:3] = [{"step": 30, "eval_accuracy": 0.7, "eval_loss": 0.5}]
HISTORY += [{"step": 80, "eval_accuracy": 0.8}, {"step": 80, "train_runtime": 12.5}]
BASELINE = [{"step": 30, "eval_accuracy": 0.6}, {"step": 60, "eval_accuracy": 0.65}]


def lines(figure: Figure | None) -> list[list[tuple[float, float]]]:
    assert figure is not None
    return [list(zip(*map(list, line.get_data()), strict=True)) for axes in figure.axes for line in axes.lines]


def labels(figure: Figure | None) -> list[str]:
    assert figure is not None
    return [text.get_text() for axes in figure.axes for text in axes.get_legend().get_texts()]


def test_accuracy_draws_run_and_baseline():
    figure = accuracy_figure(HISTORY, BASELINE)
    assert lines(figure) == [[(30, 0.6), (60, 0.65)], [(30, 0.7), (80, 0.8)]]
    assert labels(figure) == [
        "supervised baseline (last 0.650)",
        "with unlabeled data (last 0.800)",
    ]
    assert lines(accuracy_figure(HISTORY)) == [[(30, 0.7), (80, 0.8)]]
    assert lines(accuracy_figure([], BASELINE)) == [[(30, 0.6), (60, 0.65)]]


def test_other_figures_draw_what_was_logged():
    expected = {
        "supervised": [(10 * step, 1 / step) for step in range(1, 9)],
        "unsupervised": [(10 * step, 0.01 * step) for step in range(1, 9)],
    }
    assert lines(loss_figure(HISTORY)) == list(expected.values())
    assert lines(mask_rate_figure(HISTORY)) == [
        [(10 * step, step / 10) for step in range(1, 9)],
        [(10 * step, 0.5 + step / 20) for step in range(1, 9)],
    ]
    assert lines(tsa_figure(HISTORY)) == [[(10 * step, 0.5 + step / 16) for step in range(1, 9)]]


def test_every_axis_has_a_label():
    figures = [accuracy_figure(HISTORY), mask_rate_figure(HISTORY), tsa_figure(HISTORY)]
    figures += [loss_figure(HISTORY), confidence_figure(np.array([0.5, 0.9]))]
    for figure in figures:
        assert all(axes.get_ylabel() for axes in figure.axes)
        assert figure.axes[-1].get_xlabel()
        assert figure.axes[0].get_title(loc="left")


def test_missing_series_are_left_out():
    only_supervised = [{"step": 1, "ssl/supervised": 0.5}, {"step": 2, "ssl/supervised": 0.4}]
    figure = loss_figure(only_supervised)
    assert len(figure.axes) == 1
    assert lines(figure) == [[(1, 0.5), (2, 0.4)]]
    for build in (accuracy_figure, mask_rate_figure, tsa_figure):
        assert build(only_supervised) is None
    assert loss_figure([]) is None
    assert lines(mask_rate_figure([{"step": 4, "ssl/pseudo_label_confidence": 0.5}])) == [[(4, 0.5)]]


def test_values_that_are_no_number_are_gaps():
    history = [
        {"step": 1, "ssl/supervised": 0.5, "ssl/unsupervised": NAN},
        {"step": 2, "ssl/supervised": NAN, "ssl/unsupervised": NAN},
        {"step": 3, "ssl/supervised": float("inf")},
        {"step": 4, "ssl/supervised": 0.25},
        {"step": 5, "ssl/supervised": None},
        {"ssl/supervised": 9.0},
    ]
    (line,) = lines(loss_figure(history))
    np.testing.assert_array_equal(line, [(1, 0.5), (2, NAN), (3, NAN), (4, 0.25)])
    # 0.25 stands alone between a gap and the end: only a marker shows it
    assert loss_figure(history).axes[0].lines[0].get_marker() == "o"
    (line,) = lines(accuracy_figure([{"step": 1, "eval_accuracy": 0.5}, {"step": 2, "eval_accuracy": NAN}]))
    np.testing.assert_array_equal(line, [(1, 0.5), (2, NAN)])


def read(path) -> np.ndarray:
    content = path.read_bytes()
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    return imread(io.BytesIO(content), format="png")


@pytest.mark.slow
def test_plot_run_writes_legible_png_files(tmp_path):
    folder = tmp_path / "new" / "plots"
    paths = plot_run(HISTORY, folder, BASELINE)
    names = ["accuracy.png", "losses.png", "mask_rate.png", "tsa_threshold.png"]
    assert [path.name for path in paths] == names
    assert sorted(folder.iterdir()) == sorted(paths)
    for path in paths:
        height, width, _ = read(path).shape
        assert width >= 800
        assert 400 <= height <= 1200
    assert [path.name for path in plot_run(BASELINE, tmp_path / "baseline")] == ["accuracy.png"]
    assert plot_run([], tmp_path / "empty") == []


def test_the_run_and_the_baseline_differ_in_more_than_colour():
    baseline, run = accuracy_figure(HISTORY, BASELINE).axes[0].lines
    assert baseline.get_linestyle() != run.get_linestyle()
    assert baseline.get_color() != run.get_color()


def test_histogram_counts_every_example_once():
    confidences = np.random.default_rng(0).uniform(0.5, 1.0, 500)
    figure = confidence_figure(confidences)
    assert sum(bar.get_height() for bar in figure.axes[0].patches) == 500
    # the upper half of the range by a count of its own
    upper = sum(bar.get_height() for bar in figure.axes[0].patches if bar.get_x() >= 0.75 - 1e-9)
    assert upper == np.count_nonzero(confidences >= 0.75)


def test_histogram_splits_right_and_wrong_and_marks_the_threshold():
    confidences = np.array([0.5, 0.6, 0.8, 0.9, 0.95, 1.0])
    correct = np.array([True, False, True, False, True, True])
    figure = confidence_figure(confidences, threshold=0.8, correct=correct)
    # of the four at or above 0.8 (two thirds of six), three are right
    assert sorted(labels(figure)) == [
        "right (4)",
        "threshold 0.8: 67% kept, 75.0% of them right",
        "wrong (2)",
    ]
    assert [line.get_xdata()[0] for line in figure.axes[0].lines] == [0.8]
    alone = labels(confidence_figure(confidences, threshold=0.99))
    assert sorted(alone) == ["threshold 0.99: 17% kept", "unlabeled examples"]


@pytest.mark.slow
@pytest.mark.parametrize("value", [0.0, 0.5, 1.0, 1.000001])
def test_histogram_of_one_value(value, tmp_path):
    confidences = np.full(7, value, dtype=np.float32)
    figure = confidence_figure(confidences, threshold=1.0)
    assert sum(bar.get_height() for bar in figure.axes[0].patches) == 7
    path = plot_confidence(confidences, tmp_path, threshold=1.0)
    assert path == tmp_path / "confidence.png"
    assert read(path).shape[1] >= 800
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"confidences": np.zeros((2, 2))}, r"confidences: got shape \(2, 2\); expected \[N\]"),
        ({"confidences": np.zeros(0)}, r"got shape \(0,\)"),
        ({"confidences": np.array([0.5, NAN])}, r"confidences: got .*; expected numbers in \[0, 1\]"),
        ({"confidences": np.array([0.5, 80.0])}, "got 0.5 to 80.0"),
        ({"confidences": np.ones(2), "threshold": 95}, r"threshold: got 95; expected a number in \[0, 1\]"),
        ({"confidences": np.ones(2), "correct": np.ones(3)}, r"correct: got .*; expected shape \(2,\)"),
    ],
)
def test_wrong_confidences_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        confidence_figure(**arguments)


@pytest.mark.slow
def test_import_is_cheap_and_pyplot_stays_out(tmp_path):
    code = (
        "import sys, textssl.report as report\n"
        "assert 'matplotlib' not in sys.modules\n"
        f"report.plot_run([{{'step': 1, 'eval_accuracy': 0.5}}], {str(tmp_path)!r})\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)

"""The table of tasks: what is drawn, what is paired, what is computed twice, and what the page says."""

from __future__ import annotations

import json
from pathlib import Path

import datasets
import numpy as np
import pytest
from datasets import ClassLabel, Dataset, Features, Value

from tests.benchmarks import table_tasks
from tests.benchmarks.tasks import baselines
from tests.benchmarks.tasks.cells import Cell, CellStore, Key
from tests.benchmarks.tasks.data import Draw, Problem, Task, draw, problem_of
from tests.benchmarks.tasks.figures import expected_calibration_error, figures, paired_interval, per_example
from tests.benchmarks.tasks.page import page
from tests.benchmarks.tasks.recipes import trained_by_recipe
from tests.benchmarks.tasks.rows import ALL_LABELS, Row, rows


def small_task(size: int = 40) -> Task:
    """Two classes of texts that their features tell apart."""
    rng = np.random.default_rng(0)
    labels = np.arange(size) % 2
    features = np.eye(2, 8)[labels] + 0.1 * rng.normal(size=(size, 8))
    names = ["no", "yes"]
    kind = Features({"text": Value("string"), "label": ClassLabel(names=names)})
    train = Dataset.from_dict({"text": [f"{names[c]} {i}" for i, c in enumerate(labels)], "label": labels}, kind)
    test = train.select_columns(["text"]).select(range(10))
    features = features.astype(np.float32)
    return Task("imdb", "report", "text", "text", ("no", "yes"), train, test, features, features[:10], labels[:10])


def test_balanced_draws_have_so_many_of_each_class_and_fewer_are_part_of_more() -> None:
    labels = np.array([0] * 50 + [1] * 3 + [2] * 20)
    before: set[int] = set()
    for number in (0, 1, 2, 5, 10):
        labeled, unlabeled = draw(labels, 3, Draw(number, "balanced", 4))
        assert np.bincount(labels[labeled], minlength=3).tolist() == [number, min(number, 3), number]
        assert sorted([*labeled, *unlabeled]) == list(range(73))
        assert before <= set(labeled)
        before = set(labeled)
    other, _ = draw(labels, 3, Draw(10, "balanced", 5))
    assert set(other) != before


def test_labels_as_drawn_have_the_shares_of_the_data() -> None:
    labels = np.array([0] * 9000 + [1] * 900 + [2] * 100)
    labeled, unlabeled = draw(labels, 3, Draw(50, "drawn", 0))
    assert (len(labeled), len(unlabeled)) == (150, 9850)
    counts = sum(np.bincount(labels[draw(labels, 3, Draw(50, "drawn", s))[0]], minlength=3) for s in range(40))
    np.testing.assert_allclose(counts / 6000, [0.9, 0.09, 0.01], atol=0.015)


def test_figures_by_hand() -> None:
    probs = np.array([[0.8, 0.2], [0.6, 0.4], [0.3, 0.7], [1.0, 0.0]])
    labels = np.array([0, 1, 1, 1])
    found = figures(probs, labels)
    assert found["accuracy"] == 0.5
    # F1 of class 0: 2 * 1 / (3 + 1), of class 1: 2 * 1 / (1 + 3).
    assert found["macro_f1"] == pytest.approx(0.5)
    assert found["log_loss"] == pytest.approx(-np.log([0.8, 0.4, 0.7, 1e-6]).mean())
    # Each in a bin of its own: right minus confidence is 0.2, -0.6, 0.3, -1.
    assert found["ece"] == pytest.approx((0.2 + 0.6 + 0.3 + 1.0) / 4)
    assert per_example(probs, labels)["correct"] == [1, 0, 1, 0]


def test_calibration_error_is_of_bins() -> None:
    # One bin holds both, and their errors cancel: right minus confidence is 0.3 and -0.7.
    probs = np.array([[0.7, 0.3], [0.7, 0.3]])
    assert expected_calibration_error(probs, np.array([0, 1])) == pytest.approx(0.2)


def test_intervals_are_those_of_a_naive_bootstrap() -> None:
    rng = np.random.default_rng(1)
    differences = rng.choice([-1.0, 0.0, 1.0], size=(3, 60), p=[0.1, 0.6, 0.3]) + np.array([[0.0], [0.3], [-0.1]])
    means = []
    for _ in range(4000):
        seeds, examples = rng.integers(0, 3, 3), rng.integers(0, 60, 60)
        means.append(np.mean([[differences[s, e] for e in examples] for s in seeds]))
    np.testing.assert_allclose(paired_interval(differences), np.quantile(means, [0.05, 0.95]), atol=0.03)
    low, high = paired_interval(np.full((3, 10), 0.25))
    assert (low, high) == pytest.approx((0.25, 0.25))


@pytest.mark.parametrize("name", list(baselines.__all__))
def test_baselines_tell_easy_classes_apart(name: str) -> None:
    function = getattr(baselines, name)
    task = small_task(60)
    problem = problem_of(task, Draw(2, "balanced", 0))
    if name == "self_training_with_prior":
        results = [function(problem, prior) for prior in ("none", "labeled", "sqrt")]
    else:
        results = [function(problem)]
    for probs in results:
        np.testing.assert_allclose(probs.sum(1), 1, atol=1e-6)
        assert (probs.argmax(1) == task.test_labels).all()


def test_a_class_without_a_label_has_a_column() -> None:
    task = small_task()
    three = Task(**{**vars(task), "label_names": ("no", "yes", "never")})
    for function in (baselines.probe, baselines.self_training, baselines.label_spreading):
        probs = function(problem_of(three, Draw(2, "balanced", 0)))
        assert probs.shape == (10, 3)
        assert (probs[:, 2] == 0).all()


def test_labels_of_one_class_are_answered_with_it() -> None:
    task = small_task()
    problem = Problem(task, Draw(1, "drawn", 0), np.array([1, 3]), np.arange(4, 40))
    for function in (baselines.probe, baselines.self_training, baselines.label_spreading):
        assert (function(problem).argmax(1) == 1).all()
    assert (baselines.self_training_with_prior(problem, "sqrt").argmax(1) == 1).all()


def test_cells_are_computed_once_and_failures_on_request(tmp_path: Path) -> None:
    calls: list[int] = []
    settings = {"rate": 0.1}

    def predict(problem: Problem, folder: Path) -> tuple[np.ndarray, dict[str, object]]:
        assert list(folder.iterdir()) == []
        calls.append(problem.draw.seed)
        if len(calls) == 1:
            raise ValueError("broken\n  thing")
        return np.eye(2)[problem.task.test_labels], {"fact": 1}

    row = Row("a row: x", 0, predict, lambda: dict(settings))
    store, task, how = CellStore(tmp_path), small_task(), Draw(1, "balanced", 7)
    cell = table_tasks.compute(store, task, row, how, retry=False)
    assert cell is not None
    assert cell.error == "ValueError: broken thing"
    assert table_tasks.compute(store, task, row, how, retry=False) is None
    again = table_tasks.compute(store, task, row, how, retry=True)
    assert again is not None
    assert again.figures["accuracy"] == 1
    assert table_tasks.compute(CellStore(tmp_path), task, row, how, retry=True) is None
    assert calls == [7, 7]
    assert [cell.error for cell in store.all()] == [None]
    assert [cell.key for cell in table_tasks.current(store, {row.name: row})] == [again.key]
    # Other settings are another cell, and the first one is no longer of the table.
    settings["rate"] = 0.2
    assert table_tasks.current(store, {row.name: row}) == []
    assert table_tasks.compute(store, task, row, how, retry=False) is not None
    assert len(list(store.all())) == 2


def test_a_killed_write_leaves_no_cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = CellStore(tmp_path)
    key = Key("imdb", Draw(1, "balanced", 0), "probe", {})
    monkeypatch.setattr(json, "dumps", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        store.put(Cell(key, {"accuracy": 1.0}, 0.0, {}, {}))
    monkeypatch.undo()
    assert store.get(key) is None
    assert list(store.all()) == []


def test_the_plan_is_cheap_first_and_asks_what_applies() -> None:
    def row(name: str, cost: int, needs_labels: bool = True) -> Row:
        return Row(name, cost, lambda *_: pytest.fail("not asked"), dict, needs_labels=needs_labels)

    chosen = [row("dear", 5), row("probe", 0), row(ALL_LABELS, 0), row("names", 1, needs_labels=False)]
    plan = table_tasks.planned(chosen, [0, 1], ["balanced", "drawn"], [0, 1])
    told = [(row.name, how.labels, how.drawing, how.seed) for row, how in plan]
    assert told[:4] == [("probe", 1, d, s) for d in ("balanced", "drawn") for s in (0, 1)]
    assert told[4:6] == [(ALL_LABELS, 1, d, 0) for d in ("balanced", "drawn")]
    assert told[6:8] == [("names", 0, "balanced", 0), ("names", 0, "balanced", 1)]
    assert len(told) == 12
    assert told[-1][0] == "dear"


def cell(task: str, row: str, seed: int, correct: list[float], error: str | None = None) -> Cell:
    accuracy = {"accuracy": float(np.mean(correct)), "macro_f1": 0.5, "log_loss": 1.0, "ece": 0.1}
    key = Key(task, Draw(10, "balanced", seed), row, {})
    return Cell(key, {} if error else accuracy, 2.0, {"correct": correct}, {}, error)


def test_the_page_pairs_rows_with_the_probe_and_tells_the_worst_seed() -> None:
    cells = [
        cell("imdb", "probe", 0, [1, 0, 0, 0]),
        cell("imdb", "probe", 1, [1, 1, 0, 0]),
        cell("imdb", "fit:fast", 0, [1, 1, 1, 0]),
        cell("imdb", "fit:fast", 1, [1, 1, 0, 0]),
        cell("shapes", "probe", 0, [1, 0, 0, 0]),
        cell("shapes", "label spreading", 0, [0], "ValueError: no"),
    ]
    told = page(cells)
    line = next(line for line in told.splitlines() if line.startswith("| fit:fast | 0, 1 |"))
    # Right on 5 of 8 against 3 of 8.
    assert "62.5 (50.0) | +25.0 [" in line
    assert "| probe | 0, 1 | 37.5 (25.0) |  |" in told
    assert "- shapes, 10 labels a class, balanced labels, seed 0, `label spreading`: ValueError: no" in told
    summary = told[told.index("10 labels a class, balanced labels: all tasks") :].splitlines()
    assert summary[2] == "| row | imdb | shapes | mean |"
    # A row that lacks a task has no mean over tasks.
    assert summary[4:6] == ["| probe | 37.5 | 25.0 | 31.2 |", "| fit:fast | 62.5 | - | - |"]


def test_rows_have_settings_that_are_json(tmp_path: Path) -> None:
    found = rows(tmp_path, "python", "1")
    assert {"probe", ALL_LABELS, "features:uda", "text:supervised", "image:fixmatch", "fit:fast", "setfit"} <= {*found}
    digests = {Key("t", Draw(1, "balanced", 0), name, found[name].settings()).digest for name in ("features:uda",
               "text:uda", "image:uda", "features:fixmatch")}  # fmt: skip
    assert len(digests) == 4
    assert rows(tmp_path, None, "2")["fit:fast"].settings() != found["fit:fast"].settings()


def test_a_recipe_predicts_in_the_order_of_the_task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Own files name classes as they are sorted, and a class may have no label; columns are those of the task."""
    images = [np.full((8, 8), 40 * c, np.uint8) for c in (0, 5, 0, 5, 0, 5)]
    kind = Features({"image": datasets.Image(), "label": ClassLabel(names=["zero", "none", "five"])})
    train = Dataset.from_dict({"image": images, "label": [0, 2] * 3}, kind)
    values = np.stack([image.reshape(-1) / 255 for image in images]).astype(np.float32)
    task = Task(
        "digits", "choose", "image", "image", ("zero", "none", "five"), train, train.select_columns(["image"]),
        values, values, np.array([0, 2] * 3),
    )  # fmt: skip
    made = {"max_steps": 60}
    monkeypatch.setattr(
        "textssl.cli.presets.features.with_tuned_settings",
        lambda tuned, method, presets: {name: {**settings, **made} for name, settings in presets.items()},
    )
    probs = trained_by_recipe(problem_of(task, Draw(2, "balanced", 0)), "features", "supervised", tmp_path, tmp_path)
    assert probs.shape == (6, 3)
    assert (probs[:, 1] == 0).all()
    assert (probs.argmax(1) == task.test_labels).all()

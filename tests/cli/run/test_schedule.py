"""How long a recipe trains: passes over the data, between a fewest and a most."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import datasets
import pytest

from textssl import UDAConfig, UserError
from textssl.cli.data.task_data import TaskData
from textssl.cli.options import RecipeOptions
from textssl.cli.run.schedule import baseline_length, method_length, plan_of, scheduled
from textssl.hub import DataFacts, SplitFacts


def task(labeled: int, unlabeled: int | None, in_all: int | None = None) -> TaskData:
    def rows(count: int) -> datasets.Dataset:
        return datasets.Dataset.from_dict({"text": ["a"] * count})

    return TaskData(
        modality="text",
        column="text",
        labeled=rows(labeled),
        unlabeled=None if unlabeled is None else rows(unlabeled),
        validation=None,
        test=None,
        label_names=("bad", "good"),
        data_facts=DataFacts(name="few", origin="own files"),
        split_facts=SplitFacts(labeled=labeled, unlabeled=unlabeled, held_out=None, seed=0),
        split=None,
        unlabeled_in_all=in_all,
    )


def options(*asked: str, **values: Any) -> RecipeOptions:
    made = RecipeOptions(**values)
    made.set_explicit(frozenset(asked))
    return made


@pytest.fixture
def config(tmp_path: Path) -> Any:
    def make(**values: Any) -> UDAConfig:
        settings = {"max_steps": -1, "num_train_epochs": 1.0, "per_device_train_batch_size": 8, "mu": 3}
        return UDAConfig(output_dir=str(tmp_path), use_cpu=True, report_to="none", **{**settings, **values})

    return make


# Batches of 8 labeled examples, of 24 unlabeled ones.
@pytest.mark.parametrize(
    ("labeled", "unlabeled", "values", "reads", "steps", "bound"),
    [
        # 4,000 / 24 = 166.7
        (100, 4000, {}, True, 167, None),
        (100, 4000, {"num_train_epochs": 0.5}, True, 84, None),
        (100, 4000, {"mu": 6}, True, 84, None),
        (100, 4000, {"gradient_accumulation_steps": 2}, True, 84, None),
        (100, 240, {}, True, 60, "min_steps"),
        (100, 100_000, {}, True, 200, "step_limit"),
        # 100 / 8 = 12.5: thirteen steps a pass.
        (100, None, {"num_train_epochs": 8.0}, False, 104, None),
        (20, 4000, {"num_train_epochs": 8.0}, False, 60, "min_steps"),
        (100, 100_000, {"max_steps": 5}, True, 5, None),
        (100, 100_000, {"max_steps": 500}, True, 500, None),
    ],
)
def test_passes_become_steps(
    config: Any, labeled: int, unlabeled: int | None, values: dict[str, Any], reads: bool, steps: int, bound: str
) -> None:
    length = method_length(options(min_steps=60, step_limit=200), config(**values), task(labeled, unlabeled), reads)
    assert (length.steps, length.bound) == (steps, bound)
    assert length.of == ("unlabeled" if reads else "labeled")


def test_passes_that_a_person_asked_for_are_kept(config: Any) -> None:
    told = options("num_train_epochs", min_steps=60, step_limit=200)
    assert method_length(told, config(num_train_epochs=2.0), task(100, 100_000), True).steps == 2 * 4167
    assert method_length(told, config(num_train_epochs=2.0), task(100, 240), True).steps == 20
    lifted = options("step_limit", min_steps=60, step_limit=None)
    assert method_length(lifted, config(), task(100, 100_000), True).steps == 4167


def test_the_baseline_has_steps_or_passes(config: Any) -> None:
    data = task(100, 4000)
    assert baseline_length(options(baseline_steps=120), config(), data).steps == 120
    preset = {"baseline_steps": 3000, "baseline_epochs": 8.0, "step_limit": 200}
    assert baseline_length(options(**preset), config(), data).steps == 104
    assert baseline_length(options(**preset), config(), task(10_000, 4000)).steps == 200
    assert baseline_length(options("baseline_epochs", **preset), config(), task(10_000, 4000)).steps == 10_000
    assert baseline_length(options("baseline_steps", **{**preset, "baseline_steps": 7}), config(), data).steps == 7


def test_a_warm_start_is_a_share_of_the_steps(config: Any) -> None:
    """So that a preset's suits any number of steps; one that was asked for is taken as it is."""
    for steps, expected in ((250, 50), (4, 0), (11, 2)):
        told = options(warm_start_share=0.2)
        made, _ = scheduled(told, config(), method_length(told, config(max_steps=steps), task(100, 4000), True), 100)
        assert (made.max_steps, made.warm_start_steps) == (steps, expected)
    told = options("warm_start_steps", warm_start_share=0.2)
    length = method_length(told, config(max_steps=9), task(9, 9), True)
    made, _ = scheduled(told, config(max_steps=9, warm_start_steps=3), length, 9)
    assert made.warm_start_steps == 3
    assert config().warm_start_steps == 0


def test_what_will_be_done_is_told(config: Any) -> None:
    told = options(baseline_epochs=8.0, baseline_learning_rate=5e-5, step_limit=200, warm_start_share=0.1)
    data = task(100, 5000, in_all=19_600)
    length = method_length(told, config(), data, True)
    made, _ = scheduled(told, config(learning_rate=3e-5), length, 100)
    lines = plan_of("uda", length, told, made, data).splitlines()
    assert lines == [
        "5,000 of 19,600 unlabeled examples; --num_unlabeled none takes all",
        "supervised: 104 steps (8.3 passes over 100 labeled examples), learning rate 5e-05",
        "uda: 200 steps (0.96 passes over 5,000 unlabeled examples, --step_limit), learning rate 3e-05, the first 20 "
        "steps on labeled examples alone",
    ]
    data = task(100, None)
    alone = plan_of("supervised", method_length(told, config(max_steps=26), data, False), told, made, data)
    assert alone.startswith("supervised: 26 steps (2.1 passes over 100 labeled examples)")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"min_steps": 0}, "min_steps: got 0; expected at least 1"),
        ({"step_limit": 0}, "step_limit: got 0; expected at least 1"),
        ({"min_steps": 9, "step_limit": 8}, "min_steps: got 9; expected at most step_limit, 8"),
        ({"baseline_epochs": 0.0}, "baseline_epochs: got 0.0; expected a number above 0"),
        ({"warm_start_share": 1.0}, r"warm_start_share: got 1.0; expected a number in \[0, 1\)"),
    ],
)
def test_a_length_out_of_range_is_named(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        RecipeOptions(**settings)


def test_caps_of_presets_are_for_named_sources() -> None:
    """How much of own files is used is a person's business; what a person asked for is kept."""
    caps = {"num_labeled": 100, "num_unlabeled": 5000, "num_test": 1000}
    own = options(train_file="few.csv", **caps)
    assert (own.num_labeled, own.num_unlabeled, own.num_test) == (None, None, None)
    asked = options("num_unlabeled", "num_test", train_file="few.csv", **caps)
    assert (asked.num_labeled, asked.num_unlabeled, asked.num_test) == (None, 5000, 1000)
    named = options(**caps)
    assert (named.num_labeled, named.num_unlabeled, named.num_test) == (100, 5000, 1000)

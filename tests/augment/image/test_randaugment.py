"""RandAugment draws evenly and remembers nothing; the strong view is FixMatch's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image

from textssl import UserError
from textssl.augment.image import Cutout, HorizontalFlip, RandAugment, Shift, strong_view
from textssl.augment.image.operations import FIXMATCH, UDA


def example(mode: str = "RGB", side: int = 32) -> dict[str, Any]:
    shape = (side, side, 3) if mode == "RGB" else (side, side)
    pixels = np.random.default_rng(5).integers(0, 256, shape, dtype=np.uint8)
    return {"image": Image.fromarray(pixels), "label": 2}


def record(augment: RandAugment, seeds: int) -> list[list[tuple[int, float, tuple[float, float]]]]:
    """For each seed, the operations applied: number, strength, place."""
    seen: list[tuple[int, float, tuple[float, float]]] = []

    def recorder(number: int) -> Any:
        def change(image: Image.Image, strength: float, place: tuple[float, float], fill: int) -> Image.Image:
            seen.append((number, strength, place))
            return image

        return change

    augment.operations = [recorder(number) for number in range(len(augment.operations))]
    applied = []
    for seed in range(seeds):
        seen.clear()
        augment(example(side=2), np.random.default_rng(seed))
        applied.append(list(seen))
    return applied


@pytest.mark.parametrize(("operations", "count"), [("fixmatch", 14), ("uda", 15), (("invert", "rotate"), 2)])
def test_each_operation_is_drawn_as_often_and_with_replacement(operations: Any, count: int) -> None:
    applied = record(RandAugment(n=2, p=1.0, operations=operations), 3000)
    assert all(len(pair) == 2 for pair in applied)
    drawn = np.bincount([number for pair in applied for number, _, _ in pair], minlength=count)
    # Five standard deviations of a binomial count.
    spread = 5 * np.sqrt(6000 / count * (1 - 1 / count))
    assert len(drawn) == count
    assert (np.abs(drawn - 6000 / count) < spread).all()
    twice = sum(first[0] == second[0] for first, second in applied)
    assert abs(twice - 3000 / count) < 5 * np.sqrt(3000 / count * (1 - 1 / count))


def test_each_drawn_operation_is_applied_with_probability_p() -> None:
    applied = record(RandAugment(n=3, p=0.5), 2000)
    counts = np.bincount([len(chosen) for chosen in applied], minlength=4)
    expected = 2000 * np.array([1, 3, 3, 1]) / 8
    assert (np.abs(counts - expected) < 5 * np.sqrt(expected)).all()
    assert not any(record(RandAugment(p=0.0), 50))


def test_strengths_are_uniform_for_fixmatch_and_whole_for_uda() -> None:
    free = [s for chosen in record(RandAugment(p=1.0), 2000) for _, s, _ in chosen]
    assert np.abs(np.histogram(free, 10, (0, 1))[0] - 400).max() < 5 * 20
    whole = np.array([s for chosen in record(RandAugment(p=1.0, operations="uda"), 2000) for _, s, _ in chosen])
    counts = np.bincount(np.round(whole * 10).astype(int), minlength=11)
    assert np.allclose(whole * 10, np.round(whole * 10))
    assert counts[0] == counts[10] == 0
    assert np.abs(counts[1:10] - 4000 / 9).max() < 5 * 21
    fixed = [s for chosen in record(RandAugment(p=1.0, magnitude=7), 20) for _, s, _ in chosen]
    assert fixed == [0.7] * 40


def test_draws_of_an_image_do_not_depend_on_each_other() -> None:
    chosen = [draw for pair in record(RandAugment(p=1.0), 3000) for draw in pair]
    table = np.array([(number, strength, *place) for number, strength, place in chosen])
    # The standard deviation of a correlation of 6000 pairs is 0.013.
    assert np.abs(np.corrcoef(table.T) - np.eye(4)).max() < 0.065


@pytest.mark.parametrize("view", [RandAugment(p=1.0), RandAugment(p=1.0, operations="uda"), strong_view(flip=True)])
def test_the_result_depends_on_example_and_seed_alone(view: Any) -> None:
    first = [view(example(), np.random.default_rng(seed))["image"].tobytes() for seed in range(20)]
    for seed in reversed(range(20)):
        view(example("L", 9), np.random.default_rng(1000 + seed))
        assert view(example(), np.random.default_rng(seed))["image"].tobytes() == first[seed]
    assert len(set(first)) > 10


@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("operations", ["fixmatch", "uda"])
def test_the_example_stays_as_it_was(mode: str, operations: str) -> None:
    given = example(mode)
    image, before = given["image"], given["image"].tobytes()
    for seed in range(40):
        made = strong_view(flip=True, operations=operations)(given, np.random.default_rng(seed))
        assert made is not given
        assert made["label"] == 2
        assert (made["image"].mode, made["image"].size) == (mode, (32, 32))
    assert given == {"image": image, "label": 2}
    assert image.tobytes() == before


def test_a_single_operation_at_a_magnitude_is_that_operation() -> None:
    given = example()
    view = RandAugment(n=1, magnitude=5, p=1.0, operations=["solarize"])
    made = np.asarray(view(given, np.random.default_rng(0))["image"])
    pixels = np.asarray(given["image"])
    # Half of the way from 256 to 0.
    assert np.array_equal(made, np.where(pixels >= 128, 255 - pixels, pixels))


def test_uncovered_pixels_take_the_fill() -> None:
    given = {"picture": Image.new("RGB", (10, 10), (255, 0, 0))}
    view = RandAugment(n=1, magnitude=10, p=1.0, operations=["translate_x"], fill=9, column="picture")
    made = np.asarray(view(given, np.random.default_rng(0))["picture"])
    assert (made == 9).all(-1).sum() == 30
    assert (made == [255, 0, 0]).all(-1).sum() == 70


def test_names_take_the_ranges_of_fixmatch_where_it_has_them() -> None:
    assert RandAugment(operations=("brightness", "cutout")).operations == [FIXMATCH["brightness"], UDA["cutout"]]


def test_the_strong_view_is_weak_then_randaugment_then_cutout() -> None:
    assert [type(step) for step in strong_view().steps] == [Shift, RandAugment, Cutout]
    steps = strong_view(flip=True, n=3, magnitude=4, p=1.0, cutout=0.25, fill=0, column="picture").steps
    assert [type(step) for step in steps] == [HorizontalFlip, Shift, RandAugment, Cutout]
    assert {step.column for step in steps} == {"picture"}  # type: ignore[attr-defined]
    black = {"picture": Image.new("L", (16, 16), 255)}
    # Shift by reflection and the operations at probability 0 leave white white: what is black was cut out.
    view = strong_view(p=0.0, cutout=0.25, fill=0, column="picture")
    areas = {(np.asarray(view(black, np.random.default_rng(s))["picture"]) == 0).sum() for s in range(200)}
    assert max(areas) == 16
    assert min(areas) == 4


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"n": 0}, "n: got 0"),
        ({"n": 1.5}, "n: got 1.5"),
        ({"magnitude": 11}, "magnitude: got 11"),
        ({"magnitude": -1}, "magnitude: got -1"),
        ({"magnitude": 0.5}, "magnitude: got 0.5"),
        ({"p": 1.5}, "p: got 1.5"),
        ({"p": float("nan")}, "p: got nan"),
        ({"fill": 256}, "fill: got 256"),
        ({"operations": "autoaugment"}, "operations: got 'autoaugment'"),
        ({"operations": ["rotate", "blur"]}, r"operations: got \['blur'\]"),
        ({"operations": []}, "operations: got none"),
    ],
)
def test_bad_arguments_are_named(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=f"^{words}.*expected"):
        RandAugment(**arguments)

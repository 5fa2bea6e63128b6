from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

from textssl.augment import Augmentation, Chain, Column, Identity, OneOf
from textssl.errors import UserError


EXAMPLE = {"text": "a b", "back": "b a", "label": 1}


class Tag:
    def __init__(self, tag: str) -> None:
        self.tag = tag

    def __call__(self, example: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
        return {**example, "text": f"{example['text']}{self.tag}{rng.integers(10)}"}


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_identity_is_the_example() -> None:
    assert Identity()(EXAMPLE, rng()) is EXAMPLE


def test_column_takes_the_place_of_the_text_and_keeps_the_rest() -> None:
    assert Column("back")(EXAMPLE, rng()) == {"text": "b a", "back": "b a", "label": 1}
    assert Column("text", column="back")(EXAMPLE, rng())["back"] == "a b"


def test_a_missing_column_is_named_with_those_there_are() -> None:
    with pytest.raises(UserError, match=r"view column: got 'bakc'; the data have \['back', 'label', 'text'\]"):
        Column("bakc")(EXAMPLE, rng())


def test_chain_applies_its_steps_in_order_with_one_rng() -> None:
    draws = rng(3)
    expected = f"b ax{draws.integers(10)}y{draws.integers(10)}"
    assert Chain([Column("back"), Tag("x"), Tag("y")])(EXAMPLE, rng(3))["text"] == expected


def test_an_empty_chain_is_the_example() -> None:
    assert Chain([])(EXAMPLE, rng()) == EXAMPLE


@pytest.mark.parametrize("view", [Identity(), Column("back"), Chain([Column("back"), Tag("x")]), OneOf([Tag("x")])])
def test_the_example_is_kept_and_the_result_repeats(view: Augmentation) -> None:
    example = dict(EXAMPLE)
    assert view(example, rng(5)) == view(example, rng(5))
    assert example == EXAMPLE


@pytest.mark.parametrize(("weights", "shares"), [(None, (1 / 3,) * 3), ((0.6, 0.1, 0.3), (0.6, 0.1, 0.3))])
def test_one_of_picks_by_its_weights(weights: tuple[float, ...] | None, shares: tuple[float, ...]) -> None:
    """3000 draws: the standard deviation of a share is at most 0.0092; four of them are allowed."""
    view = OneOf([Tag("x"), Tag("y"), Tag("z")], weights)
    generator = rng()
    counts = Counter(view(EXAMPLE, generator)["text"][3] for _ in range(3000))
    for name, share in zip("xyz", shares, strict=True):
        assert abs(counts[name] / 3000 - share) < 0.037


@pytest.mark.parametrize("zero", [0, 1, 2])
def test_a_choice_of_weight_zero_is_never_picked(zero: int) -> None:
    weights = [0.5, 0.5, 0.5]
    weights[zero] = 0.0
    view = OneOf([Tag("x"), Tag("y"), Tag("z")], weights)
    assert "xyz"[zero] not in {view(EXAMPLE, rng(seed))["text"][3] for seed in range(200)}


def test_one_of_one_is_that_one() -> None:
    assert OneOf([Column("back")])(EXAMPLE, rng())["text"] == "b a"


def test_one_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="choices: got none"):
        OneOf([])


@pytest.mark.parametrize("weights", [[1.0], [0.5, 0.6], [1.5, -0.5], [0.5, 0.25, 0.25], [float("nan"), 0.5]])
def test_weights_that_are_no_probabilities_are_refused(weights: list[float]) -> None:
    with pytest.raises(ValueError, match="weights: got"):
        OneOf([Tag("x"), Tag("y")], weights)

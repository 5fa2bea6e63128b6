"""Options of a recipe besides its method's config."""

from __future__ import annotations

from typing import Any

import pytest

from textssl import UserError
from textssl.cli.options import RecipeOptions, rename_argument_in_errors


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("auto", ("imdb", "auto")),
        ("hub", ("imdb", "hub")),
        ("embedded", ("imdb", "embedded")),
        ("digits", ("digits", "auto")),
        ("digits:embedded", ("digits", "embedded")),
        ("cifar10:hub", ("cifar10", "hub")),
        ("digits:", ("digits", "auto")),
        # Known or not is for the registry to say.
        ("minst", ("minst", "auto")),
    ],
)
def test_a_source_is_a_name_an_origin_or_both(source: str, expected: tuple[str, str]) -> None:
    assert RecipeOptions(source=source).named_source("imdb") == expected


def test_the_name_that_is_left_out_is_the_recipe_s() -> None:
    assert RecipeOptions(source="embedded").named_source("mnist5k") == ("mnist5k", "embedded")


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"backend": "audio"}, "backend: got 'audio'; allowed: auto, text, image, features"),
        ({"strong": "magic"}, "strong: got 'magic'; allowed: auto, tfidf, .*randaugment, noise"),
        ({"second_view": "strong"}, "second_view: got 'strong'; allowed: same, tfidf"),
        ({"replace": 1.1}, r"replace: got 1.1; expected a number in \[0, 1\]"),
        ({"num_labeled": 0}, "num_labeled: got 0; expected at least 1"),
        ({"num_unlabeled": 0}, "num_unlabeled: got 0; expected at least 1"),
        ({"num_test": -1}, "num_test: got -1; expected at least 1"),
        ({"baseline_steps": 0}, "baseline_steps: got 0; expected at least 1"),
        ({"noise": 1.0}, r"noise: got 1.0; expected a number in \[0, 1\)"),
        ({"noise": -0.1}, r"noise: got -0.1; expected a number in \[0, 1\)"),
        ({"noise": float("nan")}, r"noise: got nan; expected a number in \[0, 1\)"),
        ({"noise_kind": "pairs"}, "noise_kind: got 'pairs'; allowed: symmetric, asymmetric, keywords"),
        ({"noise_kind": "keywords", "noise": 0.4}, "noise: got 0.4; expected 0 with noise_kind keywords"),
        (
            {"noise_kind": "keywords", "train_file": "a", "unlabeled_file": "b", "test_file": "c"},
            "noise_kind: got 'keywords'; its rules are for the source imdb, not for own files",
        ),
        ({"test_file": "a"}, "train_file: got none; own labeled data go with test_file"),
        ({"validation_split": 0.2}, "train_file: got none; own labeled data go with validation_split"),
        ({"train_file": "a", "validation_split": 1.0}, r"validation_split: got 1.0; expected a share in \(0, 1\)"),
        (
            {"train_file": "a", "validation_split": 0.2, "validation_file": "b"},
            "validation_split: got 0.2 with validation_file b; give one of them",
        ),
    ],
)
def test_a_value_out_of_range_is_named(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(UserError, match=told):
        RecipeOptions(**settings)


def test_an_unknown_origin_is_named() -> None:
    with pytest.raises(UserError, match="source: got 'web'; allowed: auto, hub, embedded"):
        RecipeOptions(source="digits:web").named_source("imdb")


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("path: no such file: 'a'", "train_file: no such file: 'a'"),
        ("a.csv: column 'text' is empty", "train_file: a.csv: column 'text' is empty"),
        ("pathology: rare", "train_file: pathology: rare"),
        ("no name at all", "train_file: no name at all"),
    ],
)
def test_a_flag_takes_the_place_of_a_parameter(message: str, expected: str) -> None:
    with pytest.raises(UserError) as error, rename_argument_in_errors("train_file", "path"):
        raise UserError(message)
    assert str(error.value) == expected


def test_other_errors_are_left_alone() -> None:
    with pytest.raises(KeyError, match="path"), rename_argument_in_errors("train_file", "path"):
        raise KeyError("path")

"""Words that are no flags: files."""

from __future__ import annotations

import shlex
from typing import Any

import pytest

from textssl import UDAConfig, UserError
from textssl.cli.arguments import parse_arguments
from textssl.cli.options import RecipeOptions


PRESETS: dict[str, dict[str, Any]] = {"cpu": {"output_dir": "out", "use_cpu": True, "bf16": False}}


def parse(line: str) -> tuple[RecipeOptions, UDAConfig]:
    options, config = parse_arguments([RecipeOptions, UDAConfig], PRESETS, "cpu", shlex.split(line))
    return options, config


@pytest.mark.parametrize(
    "line",
    [
        "few.csv many.csv",
        "few.csv many.csv --max_steps 6 --no_baseline",
        "few.csv --max_steps 6 --no_baseline many.csv",
        "--max_steps=6 few.csv --no-baseline many.csv",
        "--overwrite few.csv --bf16 false many.csv",
        "--seed -1 few.csv -o out many.csv",
        "few.csv many.csv --distribution_alignment",
        "--train_file few.csv --unlabeled-file=many.csv",
    ],
)
def test_files_stand_anywhere_between_flags(line: str) -> None:
    options, _ = parse(line)
    assert (options.train_file, options.unlabeled_file) == ("few.csv", "many.csv")
    assert {"train_file", "unlabeled_file"} <= options.explicit


def test_labeled_data_alone() -> None:
    options, _ = parse("--max_steps 6 few.csv")
    assert (options.train_file, options.unlabeled_file) == ("few.csv", None)


@pytest.mark.parametrize("line", ["-o there", "--output there", "--output=there", "--output_dir there"])
def test_names_of_the_output_folder(line: str) -> None:
    options, config = parse(line)
    assert config.output_dir == "there"
    assert "output_dir" in options.explicit


def test_a_flag_with_dashes_counts_as_set_by_a_person() -> None:
    options, config = parse("--max-steps 7 --warm-start-steps=2")
    assert (config.max_steps, config.warm_start_steps) == (7, 2)
    assert {"max_steps", "warm_start_steps"} <= options.explicit


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("a.csv --train_file b.csv", "train_file: got 'a.csv' beside --train_file; give one of them"),
        ("a.csv b.csv c.csv", "c.csv: belongs to no flag; train_file and unlabeled_file are a.csv and b.csv"),
        ("--max_stepz 6 a.csv", "--max_stepz: no such flag; did you mean max_steps?"),
        ("--max-stepz 6 a.csv", "--max-stepz: no such flag; did you mean max_steps?"),
    ],
)
def test_a_mistake(line: str, told: str) -> None:
    with pytest.raises(UserError) as error:
        parse(line)
    assert str(error.value) == told

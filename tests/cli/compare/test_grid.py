"""Which cells a grid has, where they lie, and which grids may share a folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from textssl.cli.compare.grid import Cell, Grid, joined, read_grid
from textssl.errors import UserError


GRID = Grid(
    {"train_file": "few.csv"},
    ("uda", "vat"),
    (0, 1),
    flags={"max_steps": ("6",)},
    own={"uda": {"mu": ("2",)}},
    files={"train_file": "abc"},
)


def test_cells_of_a_seed_are_together_the_baseline_first() -> None:
    cells = [(cell.method, cell.seed) for cell in GRID.cells()]
    assert cells == [("supervised", 0), ("uda", 0), ("vat", 0), ("supervised", 1), ("uda", 1), ("vat", 1)]


def test_a_baseline_that_was_named_is_there_once() -> None:
    named = replace(GRID, methods=("uda", "supervised"), seeds=(4,))
    assert [cell.method for cell in named.cells()] == ["supervised", "uda"]
    assert [cell.method for cell in replace(named, baseline=False).cells()] == ["uda", "supervised"]


def test_folders_are_of_method_and_seed_and_of_labels_where_there_are_several() -> None:
    cell = Cell("uda", 20, 1)
    assert GRID.folder_of(cell, Path("out")) == Path("out/uda/seed_1")
    several = replace(GRID, labels=(20, 50), by_labels=True)
    assert several.folder_of(cell, Path("out")) == Path("out/uda/labels_20/seed_1")
    assert len({several.folder_of(cell, Path()) for cell in several.cells()}) == 3 * 2 * 2


def test_what_is_written_is_read(tmp_path: Path) -> None:
    assert read_grid(tmp_path) is None
    GRID.write(tmp_path)
    assert read_grid(tmp_path) == GRID


def test_methods_and_seeds_may_be_added(tmp_path: Path) -> None:
    more = joined(GRID, replace(GRID, methods=("mixup",), seeds=(0, 1, 2), own={"mixup": {"mu": ("1",)}}), tmp_path)
    assert more.methods == ("uda", "vat", "mixup")
    assert more.seeds == (0, 1, 2)
    assert more.own == {"uda": {"mu": ("2",)}, "mixup": {"mu": ("1",)}}


CHANGES: list[tuple[dict[str, Any], str]] = [
    ({"data": {"train_file": "other.csv"}}, "train_file was few.csv, is other.csv"),
    ({"files": {"train_file": "abd"}}, "the content of few.csv"),
    ({"flags": {}}, "max_steps was 6, is not given"),
    ({"flags": {"max_steps": ("6",), "bf16": ()}}, "bf16 was not given, is given"),
    ({"own": {"uda": {"mu": ("3",)}}}, "uda.mu was 2, is 3"),
    ({"own": {}}, "uda.mu was 2, is not given"),
    ({"own": {**GRID.own, "supervised": {"mu": ("3",)}}}, "supervised.mu was not given, is 3"),
    ({"baseline": False}, "baseline was true, is false"),
    ({"labels": (20,)}, "labels: got 20"),
]


@pytest.mark.parametrize(("change", "message"), CHANGES)
def test_a_grid_of_other_data_or_settings_is_refused_with_what_differs(change: Any, message: str) -> None:
    with pytest.raises(UserError, match=message) as refused:
        joined(GRID, replace(GRID, **change), Path("out"))
    assert "choose another -o" in str(refused.value)


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"version": 1, "data": {}}', '{"version": 99}'])
def test_a_damaged_record_is_one_line(tmp_path: Path, content: str) -> None:
    (tmp_path / "grid.json").write_text(content)
    with pytest.raises(UserError, match=r"grid\.json is (damaged|of another version)"):
        read_grid(tmp_path)


def test_a_folder_of_other_things_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(UserError, match="no comparison"):
        read_grid(tmp_path)
    with pytest.raises(UserError, match="is a file"):
        read_grid(tmp_path / "thesis.txt")

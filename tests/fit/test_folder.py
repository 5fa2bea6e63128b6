"""The output folder of a choice."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from textssl.errors import UserError
from textssl.fit.folder import claim_folder, disk_guard


def test_a_folder_of_the_same_classes_goes_on(tmp_path: Path) -> None:
    folder = claim_folder(tmp_path / "out" / "deep", ["a", "b"])
    (folder / "search").mkdir()
    assert claim_folder(folder, ("a", "b")) == folder


def test_what_is_something_else_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("mine")
    with pytest.raises(UserError, match=r"output_dir: .* is a file"):
        claim_folder(file, ["a", "b"])
    with pytest.raises(UserError, match=r"output_dir: .* holds files of something else"):
        claim_folder(tmp_path, ["a", "b"])
    assert file.read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    with pytest.raises(UserError, match=r"output_dir: .* cannot be written"):
        claim_folder(file / "below", ["a", "b"])
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "fit_folder.json").write_text("{")
    with pytest.raises(UserError, match=r"output_dir: .* holds files of something else"):
        claim_folder(tmp_path / "broken", ["a", "b"])


def test_other_classes_are_refused_once_there_is_work(tmp_path: Path) -> None:
    folder = claim_folder(tmp_path / "out", ["a", "b"])
    claim_folder(folder, ["b", "c"])
    (folder / "search").mkdir()
    with pytest.raises(UserError, match=r"is of a classifier of the classes \['b', 'c'\], not of \['a', 'b'\]"):
        claim_folder(folder, ["a", "b"])


def test_a_full_disk_is_one_line_and_other_faults_stay(tmp_path: Path) -> None:
    with (
        pytest.raises(UserError, match=r"output_dir: the disk is full .* the same call goes on"),
        disk_guard(tmp_path),
    ):
        raise OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(PermissionError), disk_guard(tmp_path):
        raise PermissionError(errno.EACCES, "Permission denied")


def test_a_kill_while_the_record_was_written_leaves_nothing_that_counts(tmp_path: Path) -> None:
    (tmp_path / ".fit_folder.json.17.tmp").write_text("{")
    assert claim_folder(tmp_path, ["a", "b"]) == tmp_path

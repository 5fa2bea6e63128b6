"""A checkpoint is whole or it is not one: every way in which it can be damaged."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from textssl.errors import UserError
from textssl.objective import Objective, Task
from textssl.training.checkpoints import (
    load_objective,
    resolve_checkpoint,
    save_objective,
    seal,
    sealed_checkpoints,
    unseal,
    verify,
)


TASK = Task(num_labels=2, num_labeled=4, num_unlabeled=8, class_prior=(0.5, 0.5))


def checkpoint(run: Path, step: int, sealed: bool = True) -> Path:
    folder = run / f"checkpoint-{step}"
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(bytes(range(256)) * 5)
    (folder / "optimizer.pt").write_bytes(b"adam" * 100)
    (folder / "trainer_state.json").write_text("{}")
    if sealed:
        seal(folder)
    return folder


class Remembering(Objective):
    """Of every kind of state: a buffer, a submodule, and what is no tensor."""

    def __init__(self, width: int = 3) -> None:
        super().__init__(None, TASK)
        self.register_buffer("seen", torch.zeros(width, dtype=torch.long))
        self.teacher = nn.Linear(width, 2)
        self.queue = ["a"]

    def get_extra_state(self) -> Any:
        return {"queue": self.queue}

    def set_extra_state(self, state: Any) -> None:
        self.queue = state["queue"]


class Other(Objective):
    def __init__(self) -> None:
        super().__init__(None, TASK)
        self.register_buffer("mean", torch.zeros(2))


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def change_a_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.pt", "trainer_state.json"])
@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (truncate, "is truncated or was changed"),
        (change_a_byte, "is truncated or was changed"),
        (Path.unlink, "is missing"),
    ],
)
def test_a_damaged_file_is_named(name: str, damage: Callable[[Path], None], told: str, tmp_path: Path) -> None:
    folder = checkpoint(tmp_path, 5)
    verify(folder)
    damage(folder / name)
    for request in (str(folder), True):
        with pytest.raises(UserError, match=rf"{name} {told}.*delete .*checkpoint-5 and resume from an earlier"):
            resolve_checkpoint(request, tmp_path)


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"files": 3}', '{"files": ["model.safetensors"]}'])
def test_a_damaged_seal_is_named(content: str, tmp_path: Path) -> None:
    folder = checkpoint(tmp_path, 5)
    (folder / "seal.json").write_text(content)
    with pytest.raises(UserError, match=r"checkpoint-5/seal\.json is damaged"):
        resolve_checkpoint(str(folder), tmp_path)


def test_a_checkpoint_without_a_seal_was_never_finished(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"checkpoint-5 was never finished \(no seal\.json\); name an earlier one"):
        resolve_checkpoint(str(checkpoint(tmp_path, 5, sealed=False)), tmp_path)


def test_a_path_that_is_no_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"resume_from_checkpoint: .*checkpoint-7 is not a folder"):
        resolve_checkpoint(str(tmp_path / "checkpoint-7"), tmp_path)


def test_a_checkpoint_without_an_optimizer_cannot_be_gone_on_from(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path, 5, sealed=False)
    (folder / "optimizer.pt").unlink()
    seal(folder)
    with pytest.raises(UserError, match="checkpoint-5 was saved with save_only_model"):
        resolve_checkpoint(True, tmp_path)


def test_a_seal_lists_each_file_with_its_checksum(tmp_path: Path) -> None:
    """SHA-256 of b'abc' is FIPS 180's own example. Sealing again gives the same, and leaves nothing behind."""
    folder = tmp_path / "checkpoint-1"
    folder.mkdir()
    (folder / "a.txt").write_bytes(b"abc")
    for _ in range(2):
        seal(folder)
        assert json.loads((folder / "seal.json").read_text())["files"] == {
            "a.txt": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        }
    assert sorted(path.name for path in folder.iterdir()) == ["a.txt", "seal.json"]


def test_a_seal_that_a_kill_cut_short_is_no_part_of_the_next_one(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path, 5, sealed=False)
    (folder / ".seal.json.part").write_text("{")
    assert sealed_checkpoints(tmp_path) == []
    seal(folder)
    verify(folder)


def test_what_was_added_later_does_not_matter(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path, 5)
    (folder / "notes.txt").write_text("mine")
    assert resolve_checkpoint(str(folder), tmp_path) == str(folder)


@pytest.mark.parametrize("request_", [None, False])
def test_nothing_asked_for_is_nothing(request_: bool | None, tmp_path: Path) -> None:
    checkpoint(tmp_path, 5)
    assert resolve_checkpoint(request_, tmp_path) is None


def test_true_is_the_newest_finished_one_by_step(tmp_path: Path) -> None:
    """Step 10 is newer than step 9; one that a kill cut short is passed over, and so is what is no checkpoint."""
    for step in (10, 9, 2):
        checkpoint(tmp_path, step)
    checkpoint(tmp_path, 11, sealed=False)
    for name in ("checkpoint-best", "checkpoint-12-old", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "seal.json").write_text("{}")
    assert resolve_checkpoint(True, tmp_path) == str(tmp_path / "checkpoint-10")
    assert [path.name for path in sealed_checkpoints(tmp_path)] == ["checkpoint-2", "checkpoint-9", "checkpoint-10"]


def test_true_without_a_finished_one_begins_anew_and_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    checkpoint(tmp_path, 11, sealed=False)
    with caplog.at_level(logging.WARNING):
        assert resolve_checkpoint(True, tmp_path) is None
        assert resolve_checkpoint(True, tmp_path / "missing") is None
    assert "no finished checkpoint" in caplog.text


def test_an_unsealed_checkpoint_is_unfinished(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path, 5)
    unseal(folder)
    unseal(folder)
    unseal(tmp_path / "missing")
    assert sealed_checkpoints(tmp_path) == []


def test_an_objective_comes_back_as_it_was(tmp_path: Path) -> None:
    torch.manual_seed(0)
    before, after = Remembering(), Remembering()
    before.seen += torch.tensor([3, 1, 2])
    before.queue.append("b")
    save_objective(before, tmp_path)
    load_objective(after, tmp_path)
    assert after.seen.tolist() == [3, 1, 2]
    assert torch.equal(after.teacher.weight, before.teacher.weight)
    assert after.queue == ["a", "b"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["objective.json", "objective.safetensors"]


def test_tied_and_strided_state_can_be_saved(tmp_path: Path) -> None:
    """Tensors that share memory, or are not contiguous, are what safetensors refuses by itself."""
    before, after = Remembering(2), Remembering(2)
    before.teacher.weight = nn.Parameter(torch.arange(4.0).view(2, 2).t())
    before.register_buffer("view", before.teacher.weight.data[0])
    after.register_buffer("view", torch.zeros(2))
    save_objective(before, tmp_path)
    load_objective(after, tmp_path)
    assert after.teacher.weight.tolist() == [[0.0, 2.0], [1.0, 3.0]]
    assert after.view.tolist() == [0.0, 2.0]


@pytest.mark.parametrize("objective", [Other, lambda: Remembering(4)])
def test_an_objective_of_another_method_or_shape_is_refused(objective: Any, tmp_path: Path) -> None:
    save_objective(Remembering(), tmp_path)
    with pytest.raises(UserError, match=r"cannot be read .* may belong to another method or configuration"):
        load_objective(objective(), tmp_path)


def test_a_missing_or_torn_state_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="the state of Remembering cannot be read"):
        load_objective(Remembering(), tmp_path)
    save_objective(Remembering(), tmp_path)
    truncate(tmp_path / "objective.safetensors")
    with pytest.raises(UserError, match="the state of Remembering cannot be read"):
        load_objective(Remembering(), tmp_path)

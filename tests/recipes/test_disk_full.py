"""A disk that fills up while the run writes costs what came after the last whole checkpoint, and no more."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch

from tests.recipes.conftest import WholeRun
from tests.recipes.tiny_task import AT_MOMENT, TinyTask, comparable, error_line, run_recipe, weights
from textssl.training.checkpoints import sealed_checkpoints


def test_while_a_checkpoint_is_saved(
    task: TinyTask, whole: WholeRun, call: Callable[[Sequence[str]], int], tmp_path: Path
) -> None:
    cwd = tmp_path / "cwd"
    done = run_recipe(task.flags("out"), cwd, wrapper=[AT_MOMENT, "fill", "makes", "uda/checkpoint-8$"])
    assert done.returncode == 2, done.stderr
    message = error_line(done.stderr)
    assert "saving out/uda/checkpoint-8 failed" in message
    assert "File too large" in message
    assert "out/uda/checkpoint-4 is whole: resume from it" in message
    assert [path.name for path in (cwd / "out" / "uda").iterdir()] == ["checkpoint-4"]
    assert call(task.flags("out", "--resume_from_checkpoint")) == 0
    for stage in ("supervised", "uda"):
        after, expected = weights(cwd / "out" / stage), weights(whole.out / stage)
        assert all(torch.equal(after[name], expected[name]) for name in expected)


@pytest.mark.parametrize("name", ["model.safetensors", "result.json"])
def test_while_a_finished_model_is_written(
    name: str,
    task: TinyTask,
    whole: WholeRun,
    call: Callable[[Sequence[str]], int],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Only the last step is left to do, and it fails as the two libraries that write there fail."""
    out = tmp_path / "out"
    shutil.copytree(whole.out, out)
    (out / "uda" / "result.json").unlink()
    resume = task.flags(out, "--resume_from_checkpoint")
    with monkeypatch.context() as broken:
        if name == "result.json":
            broken.setattr("textssl.cli.run.folder.write_atomically", no_space_for("result.json"))
        else:
            broken.setattr("transformers.modeling_utils.safe_save_file", no_space_in_safetensors)
        assert call(resume) == 2
    message = error_line(capsys.readouterr().err)
    assert "the disk is full" in message
    assert "--resume_from_checkpoint" in message
    assert not (out / "uda" / "result.json").exists()
    assert sealed_checkpoints(out / "uda")[-1].name == "checkpoint-12"
    assert call(resume) == 0
    a, b = (json.loads((folder / "results.json").read_text()) for folder in (whole.out, out))
    assert comparable(a) == comparable(b)


def no_space_for(name: str) -> Callable[[Path, bytes], Path]:
    from textssl.files import write_atomically

    def write(path: Path, data: bytes) -> Path:
        if path.name == name:
            raise OSError(28, "No space left on device")
        return write_atomically(path, data)

    return write


def no_space_in_safetensors(*args: object, **kwargs: object) -> None:
    from safetensors import SafetensorError

    raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

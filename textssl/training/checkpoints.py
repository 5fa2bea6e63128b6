"""Checkpoints that are whole or not there: sealed when complete, checked before they are trusted."""

from __future__ import annotations

import copy
import json
import logging
import re
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from ..errors import UserError
from ..files import sha256_of, write_atomically
from ..models.adapters import STUDENT
from ..models.weights import is_saved_exactly, load_weights
from ..objective import Objective


__all__ = [
    "best_checkpoint",
    "failed_save",
    "load_objective",
    "resolve_checkpoint",
    "save_objective",
    "save_student",
    "seal",
    "sealed_checkpoints",
    "student_folder",
    "unseal",
    "verify",
]

logger = logging.getLogger(__name__)

SEAL = "seal.json"
OBJECTIVE_TENSORS = "objective.safetensors"
OBJECTIVE_REST = "objective.json"
OPTIMIZER = "optimizer.pt"
# In the JSON: the part of the objective whose tensors are those of the model.
IN_MODEL = "in_model"


def save_student(student: Any, evaluated: nn.Module, folder: str | Path) -> None:
    """Write the student beside the model that is evaluated, where it is another: a run goes on with it.

    Args:
        student: the unwrapped student.
        evaluated: the model that the checkpoint folder itself holds.
        folder: of the checkpoint. What an earlier run left there goes.
    """
    shutil.rmtree(Path(folder, STUDENT), ignore_errors=True)
    if evaluated is not student:
        student.save_pretrained(Path(folder, STUDENT))


def student_folder(folder: str | Path) -> Path:
    """Where a checkpoint holds the student: beside the evaluated model, or where that is the student, in its place."""
    beside = Path(folder, STUDENT)
    return beside if beside.is_dir() else Path(folder)


def save_objective(objective: Objective, folder: str | Path, evaluated: nn.Module | None = None) -> None:
    """Write all that ``objective`` remembers: tensors as safetensors, anything else as JSON.

    Args:
        objective: the method.
        folder: of the checkpoint.
        evaluated: the model that the folder itself holds; where it is a part of the objective, such as a moving
            average, its weights are not written again.
    """
    state = objective.state_dict()
    parts = objective.named_modules() if evaluated is not None and is_saved_exactly(evaluated) else ()
    names = [name for name, part in parts if part is evaluated]
    # Where an average is held in a higher precision than the model has, it is written here.
    held = {f"{name}.{k}": v.dtype for name in names for k, v in objective.get_submodule(name).state_dict().items()}
    tensors = {
        k: v.detach().cpu().contiguous().clone()
        for k, v in state.items()
        if torch.is_tensor(v) and held.get(k) != v.dtype
    }
    rest = {k: v for k, v in state.items() if not torch.is_tensor(v)} | ({IN_MODEL: names[0]} if names else {})
    save_file(tensors, Path(folder, OBJECTIVE_TENSORS))
    Path(folder, OBJECTIVE_REST).write_text(json.dumps(rest))


def load_objective(objective: Objective, folder: str | Path) -> None:
    """Read what :func:`save_objective` wrote.

    Raises:
        UserError: the files are missing, damaged, or of another method or configuration.
    """
    try:
        state: dict[str, Any] = dict(load_file(Path(folder, OBJECTIVE_TENSORS)))
        state |= json.loads(Path(folder, OBJECTIVE_REST).read_text())
        name = state.pop(IN_MODEL, None)
        if name is not None:
            state = _stored_part(objective, name, folder) | state
        objective.load_state_dict(state)
    except (AttributeError, OSError, SafetensorError, ValueError, RuntimeError) as error:
        raise UserError(
            f"checkpoint {folder}: the state of {type(objective).__name__} cannot be read "
            f"({_first_line(error)}); it may belong to another method or configuration"
        ) from error


def _stored_part(objective: Objective, name: str, folder: str | Path) -> dict[str, torch.Tensor]:
    """What the folder's model holds of the objective's part ``name``, by names of the objective's state.

    The part may share frozen parameters with the student, which are not to be written over: they are in it only where
    the folder has other values, as where they were unfrozen later.
    """
    part, own = objective.get_submodule(name), objective.state_dict().keys()
    now, stored = part.state_dict(), copy.deepcopy(part)
    load_weights(stored, folder)
    values = stored.state_dict()
    return {f"{name}.{k}": v for k, v in values.items() if f"{name}.{k}" in own or not torch.equal(v, now[k])}


def seal(folder: str | Path) -> None:
    """Mark a finished checkpoint: write the checksum of each file, last and in one go."""
    folder = Path(folder)
    # A kill may have left an earlier attempt at the seal, with a dot before its name.
    content = [p for p in sorted(folder.rglob("*")) if p.is_file() and not p.name.removeprefix(".").startswith(SEAL)]
    files = {p.relative_to(folder).as_posix(): sha256_of(p) for p in content}
    write_atomically(folder / SEAL, json.dumps({"files": files}, indent=1).encode())


def unseal(folder: str | Path) -> None:
    """Take the mark away, before a finished checkpoint is written over."""
    Path(folder, SEAL).unlink(missing_ok=True)


def failed_save(folder: str | Path, error: Exception) -> UserError:
    """Remove what a failed save left, and say what survives."""
    folder = Path(folder)
    shutil.rmtree(folder, ignore_errors=True)
    finished = sealed_checkpoints(folder.parent)
    survivor = f"{finished[-1]} is whole: resume from it" if finished else "no earlier one exists"
    return UserError(f"saving {folder} failed ({_first_line(error)}); {survivor}")


def sealed_checkpoints(output_dir: str | Path) -> list[Path]:
    """Finished checkpoints of a run, oldest first. One that a kill cut short is not among them."""
    found = []
    for path in Path(output_dir).glob("checkpoint-*"):
        match = re.fullmatch(r"checkpoint-(\d+)", path.name)
        if match and (path / SEAL).is_file():
            found.append((int(match[1]), path))
    return [path for _, path in sorted(found)]


def verify(folder: str | Path) -> None:
    """Compare a checkpoint with its seal.

    Raises:
        UserError: no seal, or a file that is missing or not what was saved; the message names it.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise UserError(f"resume_from_checkpoint: {folder} is not a folder")
    try:
        files: dict[str, str] = dict(json.loads((folder / SEAL).read_text())["files"])
    except FileNotFoundError:
        raise UserError(
            f"resume_from_checkpoint: {folder} was never finished (no {SEAL}); name an earlier one"
        ) from None
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"resume_from_checkpoint: {folder / SEAL} is damaged; {_remedy(folder)}") from error
    for name, expected in files.items():
        path = folder / name
        if not path.is_file():
            raise UserError(f"resume_from_checkpoint: {path} is missing; {_remedy(folder)}")
        if sha256_of(path) != expected:
            raise UserError(
                f"resume_from_checkpoint: {path} is truncated or was changed since it was saved; {_remedy(folder)}"
            )


def resolve_checkpoint(request: str | bool | None, output_dir: str | Path) -> str | None:
    """Turn what a person asked for into a checked checkpoint folder.

    Args:
        request: a folder; ``True`` for the newest finished checkpoint of ``output_dir``, which is none when
            the run was killed before its first; ``None`` or ``False`` to start over.
        output_dir: folder of the run.

    Raises:
        UserError: the checkpoint is missing, unfinished or damaged, or has no optimizer.
    """
    if request is None or request is False:
        return None
    if request is True:
        finished = sealed_checkpoints(output_dir)
        if not finished:
            logger.warning("no finished checkpoint in %s: beginning at step 0", output_dir)
            return None
        request = str(finished[-1])
    verify(request)
    if not Path(request, OPTIMIZER).is_file():
        raise UserError(
            f"resume_from_checkpoint: {request} was saved with save_only_model, so there is no {OPTIMIZER} to go on "
            "with; from_pretrained can load it"
        )
    return str(request)


def best_checkpoint(recorded: str | None, checkpoint: str | Path) -> str | None:
    """Where the best checkpoint of a run is, whose folder may have been moved since.

    Args:
        recorded: where it was when it was written.
        checkpoint: another one of the run.

    Returns:
        Its folder; ``None`` where it is gone, which a warning says.
    """
    if recorded is None or Path(recorded).is_dir():
        return recorded
    beside = Path(checkpoint).parent / Path(recorded).name
    if beside.is_dir():
        return str(beside)
    logger.warning("the best checkpoint, %s, is gone: the model is that of %s", recorded, checkpoint)
    return None


def _remedy(folder: Path) -> str:
    return f"delete {folder} and resume from an earlier checkpoint"


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]

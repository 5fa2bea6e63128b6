"""The output folder of a run: it belongs to one set of settings, and remembers what is done."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from transformers import TrainingArguments

from ...errors import UserError
from ...files import write_atomically
from ...training.resume_rules import is_free
from .log_file import LOG_FILE


__all__ = ["RUN_FILE", "RunFolder"]

RUN_FILE = "run.json"


class RunFolder:
    """One run in one folder.

    Args:
        path: the folder, made if missing.
        settings: dataclasses that together decide the run.
        resume: resume the run; the folder of a checkpoint resumes from that checkpoint.
        overwrite: delete what is there. Only a folder that a run of ours made is ever deleted.

    Raises:
        UserError: the folder holds another run, or something that is no run, or not that checkpoint.
    """

    def __init__(
        self,
        path: str | Path,
        settings: list[Any],
        resume: str | bool | None = False,
        overwrite: bool = False,
    ) -> None:
        if resume and overwrite:
            raise UserError("overwrite: got True with resume_from_checkpoint; set one of the two")
        self.path = Path(path)
        self.resume = bool(resume)
        self._named = Path(resume).resolve() if isinstance(resume, str) else None
        if self._named is not None and self._named.parent.parent != self.path.resolve():
            raise UserError(
                f"resume_from_checkpoint: got {resume}; expected a checkpoint of a stage of this run, "
                f"such as {self.path / 'STAGE' / 'checkpoint-N'}, or no value for the newest"
            )
        self._settings = _decisive(settings)
        self._overwrite = overwrite

    def claim(self, **facts: Any) -> None:
        """Make the folder ours. Called by the first process only.

        Args:
            **facts: what a continuation must have in common with the run besides its settings.
        """
        self._settings |= facts
        if self.path.exists() and not self.path.is_dir():
            raise UserError(f"output_dir: {self.path} is a file; choose another --output_dir")
        # Of a run that was killed while it wrote its record, the half of it is no content.
        entries = list(self.path.iterdir()) if self.path.exists() else []
        present = {entry.name for entry in entries if not entry.match(f".{RUN_FILE}.*.tmp")} - {LOG_FILE}
        record = self._recorded()
        before = None if record is None else record["settings"]
        if present and before is None:
            raise UserError(f"output_dir: {self.path} holds files that are no run; choose another --output_dir")
        # A record alone is of a run that failed before any work.
        if before is not None and present != {RUN_FILE}:
            if self._overwrite:
                shutil.rmtree(self.path)
            elif self.resume:
                self._check_same(before, str((record or {}).get("directory", "")))
            else:
                raise UserError(
                    f"output_dir: {self.path} holds another run; choose another --output_dir, or go on with "
                    "--resume_from_checkpoint, or delete it with --overwrite"
                )
        self.path.mkdir(parents=True, exist_ok=True)
        record = {"settings": self._settings, "directory": os.getcwd()}
        write_atomically(self.path / RUN_FILE, json.dumps(record, indent=1, sort_keys=True).encode())

    def stage_result(self, stage: str) -> dict[str, Any] | None:
        """Result of a finished stage; ``None`` if it must run or resume."""
        path = self.path / stage / "result.json"
        if not (self.resume and path.is_file()) or isinstance(self.checkpoint(stage), str):
            return None
        try:
            result: dict[str, Any] = json.loads(path.read_text())
        except ValueError as error:
            raise UserError(f"{path} is damaged; delete it and resume") from error
        return result

    def checkpoint(self, stage: str) -> str | bool | None:
        """Checkpoint to resume a stage from: the named one, ``True`` for the newest, or ``None``."""
        if self._named is not None and self._named.parent.name == stage:
            return str(self._named)
        return self.resume or None

    def finish_stage(self, stage: str, result: dict[str, Any]) -> None:
        """Record the result of a stage, in one go."""
        folder = self.path / stage
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / "result.json", json.dumps(result, indent=1).encode())

    def _recorded(self) -> dict[str, Any] | None:
        """The record of the run that is in the folder, or ``None``: there is no run of ours in it."""
        path = self.path / RUN_FILE
        if not path.is_file():
            return None
        try:
            record = json.loads(path.read_text())
        except ValueError as error:
            raise UserError(f"output_dir: {path} is damaged; choose another --output_dir") from error
        return record if isinstance(record, dict) and isinstance(record.get("settings"), dict) else None

    def _check_same(self, before: dict[str, Any], directory: str) -> None:
        differing = sorted(
            key
            for key in before.keys() | self._settings.keys()
            if before.get(key) != self._settings.get(key)
            and not _is_same_file(before.get(key), directory, self._settings.get(key))
        )
        if differing:
            changes = ", ".join(f"{k} was {before.get(k)!r}, is {self._settings.get(k)!r}" for k in differing)
            raise UserError(f"resume_from_checkpoint: {self.path} holds a run of other settings: {changes}")


def _is_same_file(before: Any, directory: str, now: Any) -> bool:
    """Whether a path, relative to the directory of then, names the file that another one names from here."""
    if not (isinstance(before, str) and isinstance(now, str)):
        return False
    then = Path(directory, before)
    return then.exists() and Path(now).exists() and then.resolve() == Path(now).resolve()


def _decisive(settings: list[Any]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for part in settings:
        if not is_dataclass(part):
            raise TypeError(f"settings: got {type(part).__name__}; expected dataclasses")
        plain = part.to_dict() if isinstance(part, TrainingArguments) else None
        for field in fields(part):
            if field.init and not is_free(field.name):
                value = getattr(part, field.name) if plain is None else plain.get(field.name)
                values[field.name] = json.loads(json.dumps(value, default=str))
    return values

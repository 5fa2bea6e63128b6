"""What rounds of self-training leave on the disk, so that a killed run goes on where it was.

rounds.json                  what decides the run, and the facts of each finished round
teacher/                     the teacher, if one was trained
round-1/probs/               its probabilities of all unlabeled examples, in shards
round-1/pseudo_labels.parquet    the examples that were kept
round-1/student/             the student, the teacher of round 2
...
checkpoint-N/                of the last round's student
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..errors import UserError
from ..files import write_atomically


__all__ = ["RoundFolder"]

RECORD = "rounds.json"
DONE = "done.json"


class RoundFolder:
    """One run of rounds in one folder.

    Args:
        path: the run's ``output_dir``.
        settings: what decides the rounds.
        resume: go on with what is there.
        first: whether this process writes.

    Raises:
        UserError: rounds are there and nobody asked to go on with them, or they are of other settings.
    """

    def __init__(self, path: str | Path, settings: dict[str, Any], resume: bool, first: bool = True) -> None:
        self.path, self.first = Path(path), first
        self.settings: dict[str, Any] = json.loads(json.dumps(settings))
        before = self._read(RECORD)
        self._rounds: dict[str, dict[str, Any]] = {}
        if before is not None and not resume:
            raise UserError(
                f"output_dir: {self.path} holds rounds of another run; train(resume_from_checkpoint=True) goes on "
                "with them, another output_dir starts over"
            )
        if before is not None:
            self._check_same(before["settings"])
            self._rounds = before["rounds"]

    def claim(self) -> None:
        """Write down what decides the run, before anything long."""
        self._write(RECORD, {"settings": self.settings, "rounds": self._rounds})

    @property
    def teacher(self) -> Path:
        """Folder of the teacher that was trained here."""
        return self.path / "teacher"

    def of_round(self, number: int) -> Path:
        """Folder of a round, from 1."""
        return self.path / f"round-{number}"

    def student(self, number: int) -> Path:
        """Folder of the student of a round that is not the last."""
        return self.of_round(number) / "student"

    def is_done(self, stage: Path) -> bool:
        """Whether a model was trained and saved there."""
        return (stage / DONE).is_file()

    def finish(self, stage: Path, facts: dict[str, Any]) -> None:
        """Mark a stage whose model is saved."""
        self._write(str(stage.relative_to(self.path) / DONE), facts)

    def facts_of(self, stage: Path) -> dict[str, Any]:
        """What :meth:`finish` was told."""
        return self._read(str(stage.relative_to(self.path) / DONE)) or {}

    def round_facts(self, number: int) -> dict[str, Any] | None:
        """Provenance of a round whose data set is on the disk; ``None`` if it is not."""
        return self._rounds.get(str(number))

    def record_round(self, number: int, facts: dict[str, Any]) -> None:
        """Remember where a round's data set came from, once it is on the disk."""
        self._rounds[str(number)] = json.loads(json.dumps(facts))
        self.claim()

    def history(self) -> list[dict[str, Any]]:
        """Facts of all rounds whose data set is on the disk, in order."""
        return [self._rounds[number] for number in sorted(self._rounds, key=int)]

    def _check_same(self, before: dict[str, Any]) -> None:
        changes = [
            f"{key} was {before.get(key)!r}, is {self.settings.get(key)!r}"
            for key in sorted(before.keys() | self.settings.keys())
            if before.get(key) != self.settings.get(key)
        ]
        if changes:
            raise UserError(
                f"resume_from_checkpoint: {self.path} holds rounds of other settings: {'; '.join(changes)}"
            )

    def _read(self, name: str) -> dict[str, Any] | None:
        path = self.path / name
        if not path.is_file():
            return None
        try:
            content: dict[str, Any] = json.loads(path.read_text())
        except ValueError as error:
            raise UserError(f"output_dir: {path} is damaged; delete it to begin this stage anew") from error
        return content

    def _write(self, name: str, content: dict[str, Any]) -> None:
        if self.first:
            write_atomically(self.path / name, json.dumps(content, indent=1).encode())

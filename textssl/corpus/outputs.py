"""Where a job over a file writes: the file that a person asked for, and what a killed job left beside it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from datasets import Dataset

from ..data.written_tables import check_written_suffix, write_table
from ..errors import UserError


__all__ = ["OutputFile"]


class OutputFile:
    """One file, and a folder of parts beside it for as long as the job takes.

    Args:
        path: of the file; its suffix says the format.
        inputs: files that must not be replaced.
        overwrite: replace a file that exists.
        parts: folder of the parts, which then stays; by default ``PATH.parts``, which goes when the file is there.

    Raises:
        UserError: another suffix, a file that exists, or one of ``inputs``; a folder that does not exist or cannot be
            written.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        inputs: Sequence[str | os.PathLike[str]] = (),
        overwrite: bool = False,
        parts: str | os.PathLike[str] | None = None,
    ) -> None:
        self.path = Path(path)
        check_written_suffix(self.path)
        if any(self.path.resolve() == Path(other).resolve() for other in inputs):
            raise UserError(f"output: got {str(path)!r}, which is the input; give another file")
        if self.path.is_dir():
            raise UserError(f"output: got {str(path)!r}, which is a folder; give a file")
        if self.path.exists() and not overwrite:
            raise UserError(f"output: {str(path)!r} exists; give another file, or overwrite to replace it")
        if not self.path.parent.is_dir():
            raise UserError(f"output: no folder {str(self.path.parent)!r}; make it first")
        if not os.access(self.path.parent, os.W_OK):
            raise UserError(f"output: the folder {str(self.path.parent)!r} cannot be written")
        self._stays = parts is not None
        self.parts = self.path.with_name(f"{self.path.name}.parts") if parts is None else Path(parts)

    @property
    def resumes(self) -> bool:
        """Whether an earlier call left parts."""
        return self.parts.is_dir() and any(self.parts.iterdir())

    def write(self, dataset: Dataset) -> None:
        """Write the file, then remove the parts that were only there for a kill."""
        write_table(dataset, self.path)
        if not self._stays:
            shutil.rmtree(self.parts, ignore_errors=True)
